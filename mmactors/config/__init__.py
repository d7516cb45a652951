"""The configuration: its sections, how a file and the environment become one, and every mistake named at once."""

from mmactors.config.errors import ConfigError
from mmactors.config.feed_sections import LEADING
from mmactors.config.loading import Resolved, load, resolve
from mmactors.config.schema import Config, Urls
from mmactors.config.vocabulary import DURATIONS, asset_of

__all__ = ["DURATIONS", "LEADING", "Config", "ConfigError", "Resolved", "Urls", "asset_of", "load", "resolve"]
