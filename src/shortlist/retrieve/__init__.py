"""From the whole catalogue to some hundred candidates. Every retriever is a function of a history."""

from __future__ import annotations

from shortlist.retrieve.again import Again
from shortlist.retrieve.als import ALS
from shortlist.retrieve.base import Retriever
from shortlist.retrieve.content import Content
from shortlist.retrieve.demographic import Demographic
from shortlist.retrieve.event_weighting import EventWeighting, EventWeights, interactions
from shortlist.retrieve.fusion.fuse import Fuse
from shortlist.retrieve.neighbours import Neighbours
from shortlist.retrieve.popular import Popular
from shortlist.retrieve.registry import RETRIEVERS, load_retriever, register_retriever
from shortlist.retrieve.requests import Candidates, Requests, top_k
from shortlist.retrieve.sequence import Sequence
from shortlist.retrieve.sequential_slim import SequentialSLIM
from shortlist.retrieve.slim import SLIM
from shortlist.retrieve.sources import Source, make_retrievers, parse_sources
from shortlist.retrieve.spectral import Spectral
from shortlist.retrieve.together import Together
from shortlist.retrieve.transformer import Transformer
from shortlist.retrieve.two_tower import TwoTower

__all__ = [
    "ALS",
    "RETRIEVERS",
    "SLIM",
    "Again",
    "Candidates",
    "Content",
    "Demographic",
    "EventWeighting",
    "EventWeights",
    "Fuse",
    "Neighbours",
    "Popular",
    "Requests",
    "Retriever",
    "Sequence",
    "SequentialSLIM",
    "Source",
    "Spectral",
    "Together",
    "Transformer",
    "TwoTower",
    "interactions",
    "load_retriever",
    "make_retrievers",
    "parse_sources",
    "register_retriever",
    "top_k",
]
