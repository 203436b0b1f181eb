"""What `--json` gives: one object on stdout for each command, made of the same values as what is said."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.cli.exit_codes import of_evidence, of_scan, of_verify
from orchestrator.terminal import document

if TYPE_CHECKING:
    from orchestrator.policy import Check
    from orchestrator.run import AccountList, EvidenceGathered, Planned, Summary, Verified


def accounts(listed: AccountList) -> None:
    """Give the accounts, each with what stands in the way, those that are left out, and what the doctor found."""
    import msgspec

    _give(
        {
            "accounts": [
                {
                    "account_id": one.account.account_id,
                    "account_name": one.account.name,
                    "folder_path": one.account.folder_path,
                    "is_management": one.account.is_management,
                    "is_hub": one.account.is_hub,
                    "unreachable": one.unreachable,
                    "accepted_until": one.accepted_until,
                    "rights": [
                        {
                            "role": right.role,
                            "does": right.does,
                            "is_needed": right.is_needed,
                            **msgspec.structs.asdict(right.permitted),
                        }
                        for right in one.rights
                    ],
                }
                for one in listed.visits
            ],
            "skipped": listed.skipped,
            "rule_counts": listed.rule_counts,
            "second_witness": listed.witness,
            "examined": listed.examined,
        }
    )


def scan(summary: Summary, folder: Path) -> None:
    """Give what summary.json holds, with the run folder."""
    import msgspec

    _give({"folder": str(folder), "exit_code": of_scan(summary), **msgspec.to_builtins(summary)})


def plan(planned: Planned) -> None:
    """Give which plan was made, where it is, and how much it would change; `show --json` gives the rest."""
    made = planned.plan
    _give(
        {
            "run_id": made.run_id,
            "digest": made.digest,
            "path": str(planned.path),
            "complete": planned.complete,
            "actions": len(made.actions),
            "accounts": len({one.account_id for one in made.actions}),
            "skipped": len(made.skipped),
        }
    )


def verified(found: Verified, folder: Path) -> None:
    """Give what is wrong with the record, and how the cloud differs from what the run left."""
    import msgspec

    _give(
        {
            "folder": str(folder),
            "exit_code": of_verify(found),
            "proof": found.proof,
            **msgspec.structs.asdict(found),
        }
    )


def evidence(found: EvidenceGathered) -> None:
    """Give how many doors are known of, by what could be told of them, and what could not be asked."""
    _give(
        {
            "folder": str(found.folder),
            "exit_code": of_evidence(found),
            "rules": found.rules,
            "opened": found.opened,
            "traffic": found.traffic,
            "behind": found.behind,
            "reasons": [{"reason": reason, "rules": count} for reason, count in found.reasons],
            "cost": {"queries": found.queries, "rows_scanned": found.rows_scanned},
        }
    )


def checks(listed: Mapping[str, tuple[Check, ...]]) -> None:
    """Give the checks by pack, their ports as a configuration spells them."""
    import msgspec

    packs: dict[str, list[dict[str, Any]]] = {}
    for pack, members in listed.items():
        packs[pack] = [
            {
                **msgspec.to_builtins(check),
                "ports": list(map(str, check.ports)),
                "except_ports": list(map(str, check.except_ports)),
            }
            for check in members
        ]
    _give({"packs": packs})


def _give(value: object) -> None:
    import msgspec

    from orchestrator.exposure import ports_to_json

    encoded = msgspec.json.encode(value, enc_hook=ports_to_json)
    with document() as write:
        write(msgspec.json.format(encoded, indent=2).decode() + "\n")
