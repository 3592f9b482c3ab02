"""The Croissant description of the files and columns of a recording.

Croissant 1.1 (https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html) is a vocabulary of
JSON-LD. Search engines for data sets and `mlcroissant` read it.
"""

import re
from typing import Any
from urllib.parse import quote

import pandas as pd
import pyarrow as pa

from stripe.cards.about import About
from stripe.recording import Recorded, Recording, open_recording
from stripe.recording.layout import Layout
from stripe.recording.schema import Header, part_schema
from stripe.registry import counted
from stripe.typed import typed

_PARQUET = "application/x-parquet"
#: From the types of columns to those of the vocabulary.
_TYPES = {"int64": "cr:Int64", "int32": "cr:Int32", "float": "cr:Float32", "double": "cr:Float64",
          "string": "sc:Text"}  # fmt: skip
#: The columns that every recording has, by name.
_KNOWN = {
    "image": "Index of the image in the order of the data set.",
    "label": "Label of the image; null if it is not known.",
    "prediction": "Class that the network predicted; null if there is none.",
    "column": "The column that the moments would have among values.",
    "channel": "Channel, from 0.",
    "n": "Number of images.",
    "mean": "Mean over images.",
    "m2": "Sum of squared deviations from the mean.",
    "min": "Smallest value.",
    "max": "Largest value.",
}
#: What the columns of a gate hold, by their first word.
_OF_GATE = {
    "gate": "Channel attention of every image: the gate {!r}.",
    "input": "Global average of the features that the gate {!r} multiplies.",
    "spatial": "Spatial attention map of every image: {!r}, row by row.",
}


@typed
def croissant(recording: Recorded, about: About | None = None) -> dict[str, Any]:
    """Return a description of a recording in Croissant, a JSON-LD vocabulary for data sets.

    Every Parquet file is verified first. The description lists each file with its SHA-256 digest.

    Parameters
    ----------
    recording
        A recording or its directory.
    about
        Details that the recording does not contain: licence, creator, URL and others.

    Returns
    -------
    dict
        The description, as values that `json.dumps` can write.

    Raises
    ------
    RecordingError
        If there is no recording, or a file is missing or damaged.

    Examples
    --------
    >>> from stripe.cards import croissant
    >>> described = croissant("runs/mine")
    >>> described["recordSet"][0]["field"][1]["name"]
    'image'
    """
    opened = open_recording(recording)
    return describe(opened, about or About(), opened.verify())


def describe(recording: Recording, about: About, files: pd.DataFrame) -> dict[str, Any]:
    """Return the description, with the files as `Recording.verify` returns them."""
    given = {"license": about.license, "url": about.url}
    creator = {"creator": {"@type": "sc:Person", "name": about.creator}} if about.creator else {}
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": about.name or default_name(recording.header),
        "description": about.description or default_description(recording),
        **{key: value for key, value in given.items() if value},
        **creator,
        "datePublished": about.published,
        "distribution": [*_files(Layout(recording.path), files), _ALL_FILES],
        "recordSet": [_records(recording.header)],
    }


def default_name(header: Header) -> str:
    """Return a name made of the network and the data, such as gates-resnet20-attention-se-cifar10.

    Characters other than letters, digits, dots and underscores are replaced by hyphens.
    """
    known = [part for part in (header.model, header.dataset) if part]
    return re.sub(r"[^\w.]+", "-", "-".join(["gates", *known]))


def default_description(recording: Recording) -> str:
    """Return one sentence made of the header."""
    header, gates = recording.header, len(recording.header.gates)
    network, data = header.model or "a network", header.dataset or "images"
    values = "Values" if header.per_image else "Moments over images"
    epochs = counted(len(recording.epochs), "epoch")
    return f"{values} of {gates} attention gates of {network} on {data}, recorded in {epochs}."


def _files(layout: Layout, table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the files, each with its size and digest."""
    paths = [
        (layout.epoch(epoch) / part).relative_to(layout.root).as_posix()
        for epoch, part in zip(table["epoch"], table["part"], strict=True)
    ]
    return [
        {
            "@type": "cr:FileObject",
            "@id": quote(path),
            "name": path,
            "contentUrl": path,
            "contentSize": f"{size} B",
            "encodingFormat": _PARQUET,
            "sha256": sha256,
        }
        for path, size, sha256 in zip(paths, table["bytes"], table["sha256"], strict=True)
    ]


_ALL_FILES = {
    "@type": "cr:FileSet",
    "@id": "parts",
    "name": "parts",
    "description": "One file per epoch and recording process.",
    "encodingFormat": _PARQUET,
    "includes": "data/*/*.parquet",
}


def _records(header: Header) -> dict[str, Any]:
    """Return the rows of all files as one set of records, with their epoch."""
    name = "images" if header.per_image else "moments"
    epoch = _field(name, "epoch", "cr:Int64", "Epoch, from the name of the folder.")
    epoch["source"] |= {
        "extract": {"fileProperty": "fullpath"},
        "transform": {"regex": r".*epoch=(\d+).*"},
    }
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "field": [epoch, *(_column(name, column) for column in part_schema(header))],
    }


def _column(of: str, column: pa.Field) -> dict[str, Any]:
    is_list = pa.types.is_fixed_size_list(column.type)
    element = column.type.value_type if is_list else column.type
    first, _, gate = column.name.partition("/")
    about = _OF_GATE[first].format(gate) if gate else _KNOWN[column.name]
    field = _field(of, column.name, _TYPES[str(element)], about)
    field["source"]["extract"] = {"column": column.name}
    if is_list:
        field |= {"isArray": True, "arrayShape": str(column.type.list_size)}
    return field


def _field(of: str, name: str, kind: str, about: str) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"{of}/{quote(name)}",
        "name": name,
        "description": about,
        "dataType": kind,
        "source": {"fileSet": {"@id": "parts"}},
    }


#: The context that the specification gives.
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    **{
        name: f"cr:{name}"
        for name in (
            "arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract",
            "field", "fileObject", "fileProperty", "fileSet", "format", "includes", "isArray",
            "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet",
            "references", "regex", "repeated", "replace", "samplingRate", "separator", "source",
            "subField", "transform",
        )
    },
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
}  # fmt: skip
