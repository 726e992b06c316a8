"""Images of a set as one HTML page."""

from __future__ import annotations

import base64
import html
import io
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from keras_bigdata.plots.drawing import to_uint8
from keras_bigdata.plots.sample_images import read_samples
from keras_bigdata.report.document import html_document
from keras_bigdata.representation import format_count
from keras_bigdata.shards.shards import Shards

# Larger images are made smaller, so that a page of 24 photographs is loaded in a second.
_MAX_SIDE = 320


def contact_sheet_page(
    shards: Any,
    count: int = 24,
    *,
    field: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> str:
    """Returns a page of images of a set with their labels and file names.

    The page is one file without scripts, and needs no network. The rows lie at equal distances in
    the set. Images are made smaller if a side is longer than 320 pixels.

    Args:
        shards: a directory of shards, its URL, or a `Shards`.
        count: number of images. Defaults to `24`.
        field: name of the field of images. Defaults to `None`: the first one.
        storage_options: options of the fsspec driver of a URL. Defaults to `None`.

    Returns:
        The HTML.

    Raises:
        ShardError: if the set has no images.

    Example:

    ```python
    Path("photos.html").write_text(contact_sheet_page("shards/train"), encoding="utf-8")
    ```
    """
    name = shards if isinstance(shards, str | os.PathLike) else None
    if not isinstance(shards, Shards):
        shards = Shards(shards, storage_options=storage_options)
    found = read_samples(shards, count, field)
    title = f"Images of {name}" if name is not None else "Images of a set"
    figures = []
    for image, caption, position in zip(
        found.images, found.captions, found.positions.tolist(), strict=True
    ):
        lines = [line for line in caption.split("\n") if line]
        alt = f"row {position:,}" + "".join(f", {line}" for line in lines)
        shown = "<br>".join(html.escape(line) for line in [*lines, f"row {position:,}"])
        figures.append(
            f'<figure><img src="{_data_url(image)}" alt="{html.escape(alt)}">'
            f"<figcaption>{shown}</figcaption></figure>"
        )
    rows = f"{len(found.images)} of {format_count(len(shards), 'row')}, at equal distances"
    return html_document(
        title,
        f'<h1>{html.escape(title)}</h1>\n<p class="when">{rows}</p>\n'
        f'<div class="sheet">\n{chr(10).join(figures)}\n</div>',
    )


def _data_url(image: Any) -> str:
    thumbnail = Image.fromarray(to_uint8(np.asarray(image)))
    thumbnail.thumbnail((_MAX_SIDE, _MAX_SIDE))
    file = io.BytesIO()
    thumbnail.save(file, "png")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
