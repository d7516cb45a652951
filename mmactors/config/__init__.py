"""The configuration: its sections, how a file and the environment become one, and every mistake told at once."""

from mmactors.config.loading import ConfigError
from mmactors.config.schema import DURATIONS, Config, Resolved, Urls, asset_of, load, resolve

__all__ = ["DURATIONS", "Config", "ConfigError", "Resolved", "Urls", "asset_of", "load", "resolve"]
