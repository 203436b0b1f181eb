"""[report] language = "zh-CN": what people are told is Chinese, and what programs read is as it always was."""

from __future__ import annotations

import json
import re

from orchestrator.report.words import CHINESE
from tests.cli.desk import Desk, Ended

REPORT = '[report]\nlanguage = "zh-CN"\n'
_SENTENCE = re.compile(r"\b[a-z]+(?: [a-z]+){3,}\b")


def english_in(ended: Ended) -> list[str]:
    """The English sentences of a summary: of its lines those that hold a sum or a sentence, without commands."""
    lines = ended.err.splitlines()
    begins = next(number for number, line in enumerate(lines) if line.startswith("运行 "))
    told = [re.sub(r"sgsweep .*|/\S+", "", line) for line in lines[begins:]]
    return [line for line in told if _SENTENCE.search(line)]


def test_scan_and_apply_speak_chinese_and_files_do_not(own_desk: Desk) -> None:
    """Screen and report are in the language, also of a command without it; codes, keys and digests are the same."""
    own_desk.configure(REPORT)
    ended = own_desk.sgsweep("scan", "--out", "run")
    assert ended.code in {1, 3}
    assert english_in(ended) == []
    assert "个待处理的风险项" in ended.err
    assert "下一步：sgsweep plan" in ended.err
    summary = own_desk.document("run/summary.json")
    assert re.match(r"[\d,]+ open findings? \(", summary["headline"])
    assert all(line["reason"].isascii() for line in own_desk.lines("run/findings.jsonl"))
    page = (own_desk.folder / "run/report.html").read_text(encoding="utf-8")
    assert '<html lang="zh-CN">' in page
    assert "个待处理的风险项" in page

    digest = own_desk.sgsweep("plan", "run").out.strip()
    applied = own_desk.sgsweep("apply", "run/plan.json", "--digest", digest, "--yes")
    assert re.search("^变更：.*已删除 ", applied.err, re.MULTILINE)
    page = (own_desk.folder / "run/report.html").read_text(encoding="utf-8")
    assert "变更前后" in page
    assert own_desk.sgsweep("report", "run").out == page
    english = own_desk.sgsweep("report", "run", "--language", "en")
    assert '<html lang="en">' in english.out
    assert json.loads(own_desk.sgsweep("report", "run", "--format", "json").out)["summary"][
        "headline"
    ].isascii()


def test_every_reason_of_a_real_scan_is_told_in_chinese(own_desk: Desk) -> None:
    """The judge's sentences are known by their form: a new one that is not would stay English, and fails here."""
    own_desk.sgsweep("scan", "--out", "run")
    reasons = {line["reason"] for line in own_desk.lines("run/findings.jsonl")}
    assert len(reasons) > 10
    unknown = [text for text in reasons if CHINESE.retold(text) == text]
    assert unknown == []


def test_a_closing_speaks_chinese(own_desk: Desk) -> None:
    """What an incident comes to is told as the rest is, a dry run, too."""
    own_desk.configure(REPORT)
    dry = own_desk.sgsweep("close", "22", "--incident", "INC-1", "--dry-run", "--yes")
    assert "试运行：没有做任何变更" in dry.err
    ended = own_desk.sgsweep("close", "22", "--incident", "INC-1", "--yes")
    assert english_in(ended) == []
    assert "当前已建立的连接最多还可保持 910 秒" in ended.err
    assert "变更：" in ended.err


def test_a_language_that_is_not_spoken_is_refused(own_desk: Desk) -> None:
    """The key and the languages there are, exit 2."""
    own_desk.configure('[report]\nlanguage = "fr"\n')
    ended = own_desk.sgsweep("scan", "--out", "run")
    assert ended.code == 2
    assert "report.language: invalid enum value 'fr'" in ended.last
