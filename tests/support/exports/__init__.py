"""Exports of ten different makes, as people have them: with their columns, separators, languages, dates and oddities.

Each is made by code from a seed, has a signal that a model can learn, and states what a correct project takes its columns for.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from support.exports.expected import Export
from support.exports.media import app_installs, film_service, news_log, video_showings
from support.exports.shops import french_shop, german_shop, online_retail, shopify_orders
from support.exports.visits import concert_tickets, shop_funnel

EXPORTS: dict[str, Callable[[Path], Export]] = {
    "shopify": shopify_orders,
    "retail": online_retail,
    "german": german_shop,
    "video": video_showings,
    "apps": app_installs,
    "films": film_service,
    "tickets": concert_tickets,
    "news": news_log,
    "funnel": shop_funnel,
    "french": french_shop,
}
"""Name → function that writes the files into a folder and returns what they are."""
