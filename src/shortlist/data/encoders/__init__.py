"""Encoders: what makes vectors of the texts of items, at training and when an item changes."""

from shortlist.data.encoders.base import Encoder
from shortlist.data.encoders.encoding import Encoding
from shortlist.data.encoders.registry import ENCODERS, register_encoder

__all__ = ["ENCODERS", "Encoder", "Encoding", "register_encoder"]
