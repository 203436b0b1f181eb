"""A stand-in for the provider aliyun/alicloud: it knows the arguments, what the API refuses, and what was made.

Serves Terraform's plugin protocol 6 on a Unix socket, so that the real `terraform` validates, plans, applies, changes
and destroys without a registry or an account. Usage: python -m tests.terraform.standin SCHEMA -- COMMAND…; the command
finds the provider through TF_REATTACH_PROVIDERS and the stand-in ends with it. STANDIN_FOLDER holds the
`cloud.Setting`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import msgpack
from tf.gen import tfplugin_pb2 as wire
from tf.gen import tfplugin_pb2_grpc as service

from tests.terraform.cloud import Cloud, RefusedError, Values, from_environment
from tests.terraform.refusals import ask

UNKNOWN = msgpack.ExtType(0, b"\x00")
_NESTING = {
    "block": wire.Schema.NestedBlock.SINGLE,
    "blocks": wire.Schema.NestedBlock.LIST,
    "block-set": wire.Schema.NestedBlock.SET,
}
_PROVIDER = {"region": "string", "access_key": "string", "secret_key": "string"}
_ASSUME_ROLE = {"role_arn": "string", "session_name": "string", "external_id": "string"}


@dataclass
class Argument:
    """One argument or block, as a line of the schema file says it."""

    name: str
    kind: str
    words: tuple[str, ...] = ()
    inner: list[Argument] = field(default_factory=list)

    @property
    def is_block(self) -> bool:
        """Whether it is a nested block."""
        return self.kind in {"block", "blocks", "block-set"}

    def said(self, key: str) -> str:
        """The text after `key=`, or nothing."""
        return next((word[len(key) + 1 :] for word in self.words if word.startswith(f"{key}=")), "")

    def problem(self, value: object) -> str:
        """What the provider would refuse in the value, or nothing."""
        choices, within = self.said("one-of"), self.said("within")
        if choices and str(value) not in choices.split("|"):
            return f"{self.name} is {value!r}, expected one of {choices}"
        if within and isinstance(value, (int, float)):
            low, high = within.split("..")
            if not int(low) <= value <= int(high):
                return f"{self.name} is {value}, outside {within}"
        if "json" in self.words and isinstance(value, str):
            try:
                json.loads(value)
            except ValueError:
                return f"{self.name} is not JSON"
        return ""


def read_schema(text: str) -> dict[str, list[Argument]]:
    """Return the arguments of each resource ("data x" for a data source)."""
    found: dict[str, list[Argument]] = {}
    levels: list[list[Argument]] = []
    for line in text.splitlines():
        words = line.split()
        if not words or words[0] == "#":
            continue
        depth = (len(line) - len(line.lstrip())) // 2
        if depth == 0:
            found[line] = [Argument("id", "string", ("computed",))]
            levels = [found[line]]
            continue
        argument = Argument(words[0], words[1], tuple(words[2:]))
        levels[depth - 1].append(argument)
        levels[depth:] = [argument.inner]
    return found


def _type(argument: Argument) -> object:
    if argument.kind == "objects":
        return ["list", ["object", {one.name: _type(one) for one in argument.inner}]]
    outer, _, inner = argument.kind.partition("-of-")
    return [outer, inner] if inner else outer


def _block(arguments: list[Argument]) -> Any:
    block = wire.Schema.Block()
    for one in arguments:
        required, computed = "required" in one.words, "computed" in one.words
        if one.is_block:
            nesting = _NESTING[one.kind]
            block.block_types.add(
                type_name=one.name,
                block=_block(one.inner),
                nesting=nesting,
                min_items=1 if required else 0,
                max_items=int(one.said("most") or 0),
            )
        else:
            block.attributes.add(
                name=one.name,
                type=json.dumps(_type(one)).encode(),
                required=required,
                computed=computed,
                optional=not required and (not computed or "optional" in one.words),
                deprecated="deprecated" in one.words,
            )
    return block


def _problems(arguments: list[Argument], values: Values) -> Iterator[tuple[str, str, bool]]:
    """Yield the argument, what is wrong, and whether that is only a warning."""
    for one in arguments:
        value = values.get(one.name)
        if value is None:
            continue
        if "deprecated" in one.words:
            yield one.name, f"{one.name} is deprecated", True
        elif isinstance(value, msgpack.ExtType):
            continue
        elif one.is_block:
            for item in [value] if one.kind == "block" else value:
                yield from ((one.name, text, warning) for _, text, warning in _problems(one.inner, item))
        elif text := one.problem(value):
            yield one.name, text, False


class Provider(service.ProviderServicer):  # type: ignore[misc]  # the generated stubs have no types
    """Answers what terraform asks of a provider, from the schema and what the cloud says."""

    def __init__(self, schema: dict[str, list[Argument]], cloud: Cloud) -> None:
        self._schema = schema
        self._cloud = cloud
        self._alone = threading.Lock()

    def GetProviderSchema(self, _request: Any, _context: Any) -> Any:  # noqa: N802  # the protocol's name
        """Tell the schema."""
        own = [Argument(name, kind) for name, kind in _PROVIDER.items()]
        role = [Argument(name, kind) for name, kind in _ASSUME_ROLE.items()]
        own.append(Argument("assume_role", "block-set", ("most=1",), role))
        resources = {k: wire.Schema(block=_block(v)) for k, v in self._schema.items() if k[:5] != "data "}
        data = {k[5:]: wire.Schema(block=_block(v)) for k, v in self._schema.items() if k[:5] == "data "}
        return wire.GetProviderSchema.Response(
            provider=wire.Schema(block=_block(own)), resource_schemas=resources, data_source_schemas=data
        )

    def ValidateResourceConfig(self, request: Any, _context: Any) -> Any:  # noqa: N802  # the protocol's name
        """Refuse what the provider would refuse."""
        answer = wire.ValidateResourceConfig.Response()
        values = _unpack(request.config.msgpack)
        for name, text, warning in _problems(self._schema[request.type_name], values):
            severity = wire.Diagnostic.WARNING if warning else wire.Diagnostic.ERROR
            path = wire.AttributePath(steps=[wire.AttributePath.Step(attribute_name=name)])
            answer.diagnostics.add(severity=severity, summary=text, attribute=path)
        return answer

    def PlanResourceChange(self, request: Any, _context: Any) -> Any:  # noqa: N802  # the protocol's name
        """Plan what is asked: unknown computed values for what is new, and another thing where one must be."""
        prior, values = _unpack(request.prior_state.msgpack), _unpack(request.proposed_new_state.msgpack)
        arguments = self._schema[request.type_name]
        if values is not None and prior is None:
            values.update(
                {x.name: UNKNOWN for x in arguments if "computed" in x.words and values[x.name] is None}
            )
        anew = []
        if values is not None and prior is not None:
            anew = [
                one.name for one in arguments if "new" in one.words and prior[one.name] != values[one.name]
            ]
        if anew:
            given = _unpack(request.config.msgpack)
            computed = [one.name for one in arguments if "computed" in one.words]
            values.update({name: UNKNOWN for name in computed if given.get(name) is None})
        steps = [wire.AttributePath(steps=[wire.AttributePath.Step(attribute_name=name)]) for name in anew]
        return wire.PlanResourceChange.Response(planned_state=_pack(values), requires_replace=steps)

    def ApplyResourceChange(self, request: Any, _context: Any) -> Any:  # noqa: N802  # the protocol's name
        """Do what the API would do, or refuse what it would refuse."""
        prior, values = _unpack(request.prior_state.msgpack), _unpack(request.planned_state.msgpack)
        answer = wire.ApplyResourceChange.Response()
        with self._alone:
            try:
                kept = self._apply(request.type_name, prior, values)
            except RefusedError as error:
                summary = f"{request.type_name}: {error}"
                answer.diagnostics.add(severity=wire.Diagnostic.ERROR, summary=summary)
                kept = values if error.keeps else prior
            self._cloud.tell()
        answer.new_state.CopyFrom(_pack(kept))
        return answer

    def _apply(self, kind: str, prior: Values | None, values: Values | None) -> Values | None:
        if values is None and prior is not None:
            ask(self._cloud, "delete", kind, prior)
            self._cloud.delete(kind, prior)
        elif values is not None and prior is None:
            ask(self._cloud, "create", kind, values)
            self._cloud.create(kind, values)
        elif values is not None and prior is not None:
            ask(self._cloud, "update", kind, values)
            self._cloud.update(kind, prior, values)
        return values

    def ReadResource(self, request: Any, _context: Any) -> Any:  # noqa: N802  # the protocol's name
        """Read it back as the provider does."""
        values = _unpack(request.current_state.msgpack)
        return wire.ReadResource.Response(new_state=_pack(self._cloud.read(request.type_name, values)))

    def UpgradeResourceState(self, request: Any, _context: Any) -> Any:  # noqa: N802  # the protocol's name
        """The state is as it was written."""
        return wire.UpgradeResourceState.Response(
            upgraded_state=wire.DynamicValue(json=request.raw_state.json)
        )

    def ReadDataSource(self, request: Any, _context: Any) -> Any:  # noqa: N802  # the protocol's name
        """Say what there is."""
        values = _unpack(request.config.msgpack)
        return wire.ReadDataSource.Response(state=_pack(self._cloud.data(request.type_name, values)))


def _nothing_to_say(name: str) -> Any:
    return lambda _self, _request, _context: getattr(wire, name).Response()


for _name in ("ValidateProviderConfig", "ValidateDataResourceConfig", "ConfigureProvider", "StopProvider"):
    setattr(Provider, _name, _nothing_to_say(_name))


def _unpack(data: bytes) -> Any:
    return msgpack.unpackb(data, ext_hook=msgpack.ExtType)


def _pack(values: Values | None) -> Any:
    return wire.DynamicValue(msgpack=msgpack.packb(values))


def main() -> int:
    """Serve the provider while the command runs; return the command's exit code."""
    schema, command = Path(sys.argv[1]), sys.argv[sys.argv.index("--") + 1 :]
    with tempfile.TemporaryDirectory() as folder:
        address = f"{folder}/provider"
        server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.max_send_message_length", -1)])
        service.add_ProviderServicer_to_server(
            Provider(read_schema(schema.read_text()), from_environment()), server
        )
        server.add_insecure_port(f"unix://{address}")
        server.start()
        reattach = {
            "Protocol": "grpc",
            "ProtocolVersion": 6,
            "Pid": os.getpid(),
            "Test": True,
            "Addr": {"Network": "unix", "String": address},
        }
        environment = {
            **os.environ,
            "TF_REATTACH_PROVIDERS": json.dumps({"registry.terraform.io/aliyun/alicloud": reattach}),
        }
        try:
            return subprocess.run(command, env=environment, check=False).returncode  # noqa: S603  # the caller's own command
        finally:
            server.stop(0)


if __name__ == "__main__":
    sys.exit(main())
