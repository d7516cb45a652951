"""Values: small immutable records, of which the program makes thousands a second.

Owns how they are declared. A frozen dataclass sets each field through `object.__setattr__`, which costs five times what
making the object needs; so here the type checker alone forbids assignment, and nothing checks it at run time.
"""

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def value(cls: type[T]) -> type[T]:
    """Make a class a dataclass with slots, equal and hashed by its fields, that must not be assigned to."""
    return dataclass(slots=True, unsafe_hash=True)(cls)
