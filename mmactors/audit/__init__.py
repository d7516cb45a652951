"""An independent auditor: judges a run by the venue's own log, and draws its figures.

Owns its reading of the strategy's rules and of the log's lines, written a second time on purpose. It must not import
anything of the program it judges, nor share its libraries for wire and configuration; the command line and
deterministic runs import it.
"""

from mmactors.audit.auditor import Auditor
from mmactors.audit.limits import AuditError, Limits, Rules
from mmactors.audit.result import CHECKS, Audit, Check, Violation
from mmactors.audit.session import SessionFigures

__all__ = ["CHECKS", "Audit", "AuditError", "Auditor", "Check", "Limits", "Rules", "SessionFigures", "Violation"]
