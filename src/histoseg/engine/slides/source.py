from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from histoseg.errors import SlideError
from histoseg.slides import Frame, open_slide


@dataclass(frozen=True)
class Source:
    """How to open a slide at the resolution of a model, in this process or another.

    Attributes:
        path: The file.
        model_mpp: Micrometres per pixel that the model sees; None for the slide as it is.
        mpp: Of level 0, in place of what the file says.
        magnification: Likewise.
    """

    path: Path
    model_mpp: float | None
    mpp: float | None = None
    magnification: float | None = None

    def open(self) -> Frame:
        """The slide in the frame of the model.

        Raises:
            SlideError: If it does not say its resolution.
            UnreadableFileError: If it is damaged.
        """
        slide = open_slide(self.path, self.mpp, self.magnification)
        try:
            if self.model_mpp is None:
                return Frame.scaled(slide, 1.0)
            return Frame.at(slide, self.model_mpp)
        except SlideError:
            slide.close()
            raise


@lru_cache(maxsize=1)
def opened(source: Source) -> Frame:
    """The frame of the slide that this process works on, opened once."""
    return source.open()
