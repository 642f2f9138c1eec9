"""Where predicted and true objects are scored from: folders, arrays of folds, data sets."""

from histoseg.data.objects.arrays import ObjectArrays as ObjectArrays
from histoseg.data.objects.arrays import is_array_file as is_array_file
from histoseg.data.objects.folder import ObjectFolder as ObjectFolder
from histoseg.data.objects.folder import read_items as read_items
from histoseg.data.objects.pairing import Pairing as Pairing
from histoseg.data.objects.pairing import pair as pair
from histoseg.data.objects.pairing import read_pair as read_pair
from histoseg.data.objects.pairing import some as some
from histoseg.data.objects.records import ObjectRecords as ObjectRecords
from histoseg.data.objects.source import Labelled as Labelled
from histoseg.data.objects.source import ObjectSource as ObjectSource
from histoseg.data.objects.source import mapped as mapped
