from . import errors as errors
from . import metrics as metrics
from .config.project import Project as Project
from .config.project import read_project as read_project
from .data.dataset import Dataset as Dataset
from .data.encoders.base import Encoder as Encoder
from .data.encoders.registry import register_encoder as register_encoder
from .data.guess.project import guess_project as guess_project
from .data.slates import Slate as Slate
from .data.slates import Slates as Slates
from .errors import BundleError as BundleError
from .errors import DataError as DataError
from .errors import EngineError as EngineError
from .errors import IndexRecallError as IndexRecallError
from .errors import LeakError as LeakError
from .errors import MissingExtraError as MissingExtraError
from .errors import NotFittedError as NotFittedError
from .errors import ProjectError as ProjectError
from .errors import RequestError as RequestError
from .errors import ShortlistError as ShortlistError
from .errors import StoreError as StoreError
from .errors import TrainingWarning as TrainingWarning
from .evaluate import evaluate as evaluate
from .features.custom import feature as feature
from .fitting import fit as fit
from .rank.base import Ranker as Ranker
from .rank.registry import register_ranker as register_ranker
from .recommender import Recommender as Recommender
from .requests import RecommendRequest as RecommendRequest
from .retrieve.again import Again as Again
from .retrieve.als import ALS as ALS
from .retrieve.content import Content as Content
from .retrieve.demographic import Demographic as Demographic
from .retrieve.fusion.fuse import Fuse as Fuse
from .retrieve.neighbours import Neighbours as Neighbours
from .retrieve.popular import Popular as Popular
from .retrieve.registry import register_retriever as register_retriever
from .retrieve.sequence import Sequence as Sequence
from .retrieve.sequential_slim import SequentialSLIM as SequentialSLIM
from .retrieve.slim import SLIM as SLIM
from .retrieve.spectral import Spectral as Spectral
from .retrieve.together import Together as Together
from .retrieve.transformer import Transformer as Transformer
from .retrieve.two_tower import TwoTower as TwoTower
from .threads import set_threads as set_threads
from .version import __version__ as __version__

__all__ = [
    "ALS",
    "SLIM",
    "Again",
    "BundleError",
    "Content",
    "DataError",
    "Dataset",
    "Demographic",
    "Encoder",
    "EngineError",
    "Fuse",
    "IndexRecallError",
    "LeakError",
    "MissingExtraError",
    "Neighbours",
    "NotFittedError",
    "Popular",
    "Project",
    "ProjectError",
    "Ranker",
    "RecommendRequest",
    "Recommender",
    "RequestError",
    "Sequence",
    "SequentialSLIM",
    "ShortlistError",
    "Slate",
    "Slates",
    "Spectral",
    "StoreError",
    "Together",
    "TrainingWarning",
    "Transformer",
    "TwoTower",
    "__version__",
    "errors",
    "evaluate",
    "feature",
    "fit",
    "guess_project",
    "metrics",
    "read_project",
    "register_encoder",
    "register_ranker",
    "register_retriever",
    "set_threads",
]
