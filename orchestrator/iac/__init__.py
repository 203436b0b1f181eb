"""BEFORE: code judged by the policy of a scan before it opens anything; and the change, told in the owner's own code.

It reads plans and states of Terraform and templates of ROS as what they declare, gathers the rules of each group, and
hands them to `policy`; it judges nothing itself, and never asks the cloud.
"""

from orchestrator.iac.checking import Checked, CheckOptions, Located, check_files, standing
from orchestrator.iac.existing import NOTHING, Existing, existing
from orchestrator.iac.judging import CodeJudgement
from orchestrator.iac.managed import Decided, patch_code, patch_terraform
from orchestrator.iac.owning import Patched, Wanted
from orchestrator.iac.values import IacError

__all__ = [
    "NOTHING",
    "CheckOptions",
    "Checked",
    "CodeJudgement",
    "Decided",
    "Existing",
    "IacError",
    "Located",
    "Patched",
    "Wanted",
    "check_files",
    "existing",
    "patch_code",
    "patch_terraform",
    "standing",
]
