"""Who is told what a command came to: a real server on loopback gets it, and the command ends as it would without."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.cli.desk import Desk, Ended

TOKEN = "tok-hush-0123456789"
ROBOT = "[[notify]]\nid = 'ops'\nkind = 'json'\nurl_env = 'ROBOT'\n"


class Chat:
    """A server that keeps what it is told; `status` and `answer` are what it says to everything."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.status, self.answer = 200, b'{"errcode":0}'
        chat = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                chat.told.append(json.loads(body))
                self.send_response(chat.status)
                self.send_header("Content-Length", str(len(chat.answer)))
                self.end_headers()
                self.wfile.write(chat.answer)

            def log_message(self, *_: object) -> None:
                """Keep the test's output quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/robot/{TOKEN}?key={TOKEN}"


@pytest.fixture
def chat() -> Iterator[Chat]:
    """The chat, served while the test runs."""
    chat = Chat()
    thread = threading.Thread(target=chat.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield chat
    chat.server.shutdown()
    chat.server.server_close()
    thread.join()


def run(desk: Desk, chat: Chat, *arguments: str, typed: str | None = None) -> Ended:
    """Run the command with the robot's address in the environment; nothing that is said holds it."""
    ended = desk.sgsweep(*arguments, typed=typed, changes={"ROBOT": chat.url})
    assert TOKEN not in ended.err + ended.out
    return ended


def test_a_finished_scan_is_told_in_counts(desk: Desk, chat: Chat) -> None:
    """Of the run that was written; the second one against the first, and only where something is new if so asked."""
    desk.configure(ROBOT + ROBOT.replace("ops", "new").replace("json", "slack") + "only_new = true\n")
    first = run(desk, chat, "scan", "--out", "one", "--port", "22")
    assert first.code == 1
    assert {"source" in told for told in chat.told} == {True, False}
    (told,) = [told for told in chat.told if "source" in told]
    summary = desk.document("one/summary.json")
    assert (told["event"], told["run_id"], told["exit_code"]) == ("scan", summary["run_id"], 1)
    assert (
        sum(told["open"].values())
        == summary["open"]["exposed"] + summary["open"]["latent"] + summary["open"]["unknown"]
    )
    assert "new" not in told
    accounts = {one["account_id"] for one in desk.lines("one/findings.jsonl")}
    assert not [one for one in accounts if one in json.dumps(chat.told)]
    chat.told.clear()
    assert run(desk, chat, "scan", "--out", "two", "--port", "22").code == 1
    (told,) = chat.told
    assert (told["new"], told["returned"], told["raised"]) == (0, 0, 0)


def test_a_robot_that_fails_changes_nothing(desk: Desk, chat: Chat) -> None:
    """A refusal, and a variable that is not set, are lines after all else; the exit code and stdout stay."""
    desk.configure(ROBOT + ROBOT.replace("ops", "unset").replace("ROBOT", "NO_SUCH_ROBOT"))
    chat.answer = f'{{"errcode":310000,"errmsg":"sign not match {TOKEN}"}}'.encode()
    ended = run(desk, chat, "--log-level", "debug", "scan", "--out", "one", "--port", "22")
    assert (ended.code, ended.out) == (1, "")
    lines = ended.err.splitlines()[-2:]
    assert lines == [
        "NOT NOTIFIED unset: the variable NO_SUCH_ROBOT is not set",
        "NOT NOTIFIED ops: it refused the message: sign not match *** (310000)",
    ]
    for file in (desk.folder / "one").iterdir():
        assert TOKEN.encode() not in file.read_bytes(), file


def test_apply_close_and_failures_are_told(own_desk: Desk, chat: Chat) -> None:
    """Each by its own event, and only where it was asked for; what went wrong only where details are asked for."""
    own_desk.configure(
        ROBOT.replace("ops", "changes")
        + "on = ['apply', 'close']\n"
        + ROBOT.replace("ops", "failures")
        + "on = ['failed']\ndetail = true\n"
    )
    digest = own_desk.planned("run", "--port", "22")
    applied = run(own_desk, chat, "apply", "run/plan.json", "--digest", digest, "--yes")
    assert applied.code == 0, applied.err
    (told,) = chat.told
    outcomes = own_desk.lines("run/outcomes.jsonl")
    assert (told["event"], told["details"]) == ("apply", [])
    assert sum(told["outcomes"].values()) == len(outcomes) > 0
    chat.told.clear()
    refused = run(own_desk, chat, "apply", "run/plan.json", "--digest", "0" * 64, "--yes")
    assert refused.code == 4
    (told,) = chat.told
    assert (told["event"], told["command"], told["exit_code"]) == ("failed", "apply", 4)
    assert told["details"]
    assert told["details"][0] in refused.err
    chat.told.clear()
    closed = run(own_desk, chat, "close", "6379", "--incident", "INC-7", "--yes")
    assert closed.code in {0, 1}, closed.err
    assert [(told["event"], told["details"]) for told in chat.told] == [("close", [])]
    chat.told.clear()
    assert run(own_desk, chat, "close", "3389", "--incident", "INC-8", "--dry-run").code in {0, 1}
    assert chat.told == []


def test_a_test_message_is_sent_on_request(desk: Desk, chat: Chat) -> None:
    """0 where all took it, 3 where one did not, 2 where nobody could be told; in the robot's language."""
    desk.configure(ROBOT + "language = 'zh-CN'\n")
    told = run(desk, chat, "config", "check", "--offline", "--notify")
    assert (told.code, chat.told[0]["title"]) == (0, "sgsweep：测试消息，通知可以送达")
    assert "1 of 1 [[notify]] took the test message" in told.err
    assert run(desk, chat, "config", "check", "--offline").code == 0
    assert len(chat.told) == 1
    chat.status = 400
    refused = run(desk, chat, "config", "check", "--offline", "--notify")
    assert (refused.code, "NOT NOTIFIED ops: it answered 400 (http-400)" in refused.err) == (3, True)
    unset = desk.sgsweep("config", "check", "--offline", "--notify")
    assert (unset.code, "the variable ROBOT is not set" in unset.last) == (2, True)
    desk.configure("")
    nobody = desk.sgsweep("config", "check", "--offline", "--notify")
    assert (nobody.code, "has no [[notify]]" in nobody.last) == (2, True)


def test_an_address_in_the_file_is_refused_and_not_repeated(desk: Desk, chat: Chat) -> None:
    """Secrets never live in config.toml."""
    desk.configure(ROBOT.replace("'ROBOT'", f"'{chat.url}'"))
    ended = run(desk, chat, "config", "check", "--offline")
    assert ended.code == 2
    assert "url_env names a variable of the environment" in ended.last
    desk.configure(ROBOT + ROBOT)
    assert "two [[notify]] have the id 'ops'" in run(desk, chat, "config", "check", "--offline").last
