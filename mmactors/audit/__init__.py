"""An independent auditor: checks a run against the rules by the venue's own log, and computes its figures.

Owns a second reading of the strategy's rules and of the log's lines. It must not import anything of the program it
checks, or share its libraries for wire and configuration.
"""

from mmactors.audit.auditor import Auditor
from mmactors.audit.limits import AuditError, Limits, Rules
from mmactors.audit.result import CHECKS, Audit, Check, Violation
from mmactors.audit.session import SessionFigures

__all__ = ["CHECKS", "Audit", "AuditError", "Auditor", "Check", "Limits", "Rules", "SessionFigures", "Violation"]
