"""A supervised, actor-based market maker for short-expiry binary options."""

__version__ = "0.1.0"
