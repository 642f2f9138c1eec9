"""Pages: one file, escaped, and numbers that line up."""

from pathlib import Path

import numpy as np

from histoseg.writers import PagePicture, PageSection, PageTable, write_page


def test_a_page_holds_everything_itself(tmp_path: Path) -> None:
    table = PageTable(["run", "pq"], [["<b>a</b>", "0.5 ± 0.1"], ["b", ""]], best=frozenset({0}))
    picture = PagePicture.of(np.zeros((4, 4, 3), np.uint8), "black & small")
    section = PageSection("Scores", "text", [table], [picture], code="a: <1>", code_title="Config")
    text = write_page(tmp_path / "deep" / "page.html", "T", "S", [section, section]).read_text()
    assert "&lt;b&gt;a&lt;/b&gt;" in text
    assert "<b>a</b>" not in text
    assert "black &amp; small" in text
    assert "a: &lt;1&gt;" in text
    assert 'href="#s2"' in text
    assert 'src="http' not in text
    assert "data:image/png;base64,iVBOR" in text


def test_columns_of_numbers_stand_right() -> None:
    table = PageTable(["a", "b", "c"], [["x", "1,000", "3 %"], ["2", "", "4 %"]])
    assert table.numbers == {1, 2}
    assert PageTable(["a"], []).numbers == frozenset()
