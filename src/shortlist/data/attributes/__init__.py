"""Attributes of users, items and events: one typed column each, coded for fast use.

There are seven kinds, one class each. All of them are immutable: `take` selects rows and `with_rows` returns a longer or
changed column, while the earlier one stays valid for those that still read it. Appending rows costs the added rows
only (see `growable.py`); changing existing rows costs one copy of the column. `encode` makes an attribute from a
column of a table.
"""

from shortlist.data.attributes.arrays import EmbeddingAttribute, NumberAttribute, TimeAttribute
from shortlist.data.attributes.base import Attribute
from shortlist.data.attributes.coded import CategoryAttribute, CodedAttribute, ListAttribute
from shortlist.data.attributes.encode import encode
from shortlist.data.attributes.text import LinkAttribute, TextAttribute

__all__ = [
    "Attribute",
    "CategoryAttribute",
    "CodedAttribute",
    "EmbeddingAttribute",
    "LinkAttribute",
    "ListAttribute",
    "NumberAttribute",
    "TextAttribute",
    "TimeAttribute",
    "encode",
]
