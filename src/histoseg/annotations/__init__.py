"""Files in which others keep annotations and their classes, read as ours."""

from histoseg.annotations.type_info import TypeInfo as TypeInfo
from histoseg.annotations.type_info import read_type_info as read_type_info
