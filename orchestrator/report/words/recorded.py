"""Sentences that the record holds in English, told in Chinese: they are known by their form, and taken apart.

The record is for programs, too, and is older than any page, so it has one language. A sentence of a form that is not
known here, such as what the cloud itself has said, is told as it was written: nothing is lost by it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from string import Formatter

from orchestrator.report.words.message import Message

RECORDED: tuple[Message, ...] = (
    # why a rule fails
    Message(
        "Load balancer {balancer} would open {ports} to {sources}, but rules that win drop every packet to it",
        "负载均衡 {balancer} 本会对 {sources} 开放 {ports}，但优先的规则拒绝了全部报文",
    ),
    Message(
        "Would open {ports} to {sources}, but rules that win drop every packet to it",
        "本会对 {sources} 开放 {ports}，但优先的规则拒绝了全部报文",
    ),
    Message(
        "Load balancer {balancer} listens on {ports} and lets in {reach}: no Drop rule wins there, and what Accept rules "
        "say does not matter",
        "负载均衡 {balancer} 监听 {ports}，放行{reach}：没有优先的拒绝规则，允许规则的内容不起作用",
    ),
    Message(
        "Opens {ports} to {reach} ({sources}): wide, though below the threshold",
        "对{reach}（{sources}）开放 {ports}：来源过宽，但低于阈值",
    ),
    Message(
        "Lets {ports} out to {reach} ({sources}): wide, though below the threshold",
        "允许 {ports} 发往{reach}（{sources}）：目的过宽，但低于阈值",
    ),
    Message(
        "Opens {ports} to {reach} ({sources}); it fails with other rules, as one of the largest contributors",
        "对{reach}（{sources}）开放 {ports}；与其他规则合并后不通过，本规则是主要来源之一",
    ),
    Message(
        "Lets {ports} out to {reach} ({sources}); it fails with other rules, as one of the largest contributors",
        "允许 {ports} 发往{reach}（{sources}）；与其他规则合并后不通过，本规则是主要来源之一",
    ),
    Message("Opens {ports} to {reach} ({sources})", "对{reach}（{sources}）开放 {ports}"),
    Message("Lets {ports} out to {reach} ({sources})", "允许 {ports} 发往{reach}（{sources}）"),
    Message("This rule could not be judged: {why}", "该规则无法判定：{why}"),
    # why its severity is below the check's own
    Message(
        "its source is wide, but less than what fails the check", "来源较宽，但小于检查项判为不通过的范围"
    ),
    Message("its source is far from the whole Internet", "来源远小于整个互联网"),
    Message("no public address is attached", "未绑定公网地址"),
    Message("other groups of every public interface drop it", "每个公网网卡上的其他安全组均拒绝该访问"),
    Message("the run does not say why", "运行未说明原因"),
    # titles of the checks that come with sgsweep
    Message("{title}, by a wide source", "{title}（来源过宽）"),
    Message("SSH open to the Internet", "SSH 对互联网开放"),
    Message("SSH open to the Internet (CIS 4.3, 3.2)", "SSH 对互联网开放（CIS 4.3、3.2）"),
    Message("Remote Desktop open to the Internet", "远程桌面对互联网开放"),
    Message("Remote Desktop open to the Internet (CIS 4.4, 3.2)", "远程桌面对互联网开放（CIS 4.4、3.2）"),
    Message("Rules that are not fine-grained (CIS 3.5)", "规则粒度过粗（CIS 3.5）"),
    Message("Database open to the Internet", "数据库对互联网开放"),
    Message("Cache or queue open to the Internet", "缓存或消息队列对互联网开放"),
    Message("Administration port open to the Internet", "管理端口对互联网开放"),
    Message("Every port open to the Internet", "全部端口对互联网开放"),
    Message("SSH or Remote Desktop open to the Internet", "SSH 或远程桌面对互联网开放"),
    Message("Any port of TCP or UDP open to the Internet", "TCP 或 UDP 的任意端口对互联网开放"),
    Message(
        "A port that is not on the list of allowed ones is open to the Internet",
        "不在允许列表中的端口对互联网开放",
    ),
    Message(
        "Every port open to a network as large as a /8, private ones included",
        "全部端口对 /8 或更大的网络开放，包括私网",
    ),
    Message(
        "Every port of TCP or UDP open to a network as large as a /8, as a rule for all protocols does",
        "TCP 或 UDP 的全部端口对 /8 或更大的网络开放，如全部协议的规则",
    ),
    Message("{what} open to the Internet", "{what} 对互联网开放"),
    Message("Everything may go out to the Internet", "出方向允许访问整个互联网"),
    Message("Database open to a private network of /12 or wider", "数据库对 /12 或更大的私网开放"),
    Message(
        "Administration port open to a private network of /12 or wider", "管理端口对 /12 或更大的私网开放"
    ),
    Message("A rule that could not be judged", "无法判定的规则"),
    # whose a group is, and why it is not changed
    Message("the account's name", "账号名称"),
    Message("the account's id", "账号 ID"),
    Message("the mapping", "映射文件"),
    Message("the group's tag {tag}", "安全组标签 {tag}"),
    Message("the tag of its instances, {tag}", "实例标签 {tag}"),
    Message("the account's tag {tag}", "账号标签 {tag}"),
    Message("the account is protected ({pattern})", "账号受保护（{pattern}）"),
    Message("the group is protected ({pattern})", "安全组受保护（{pattern}）"),
    Message("the group is protected by its tag ({pattern})", "安全组因标签受保护（{pattern}）"),
    Message(
        "the group is managed by a cloud service, and nobody else can change it",
        "安全组由云服务托管，其他人无法变更",
    ),
    Message("check {check} is reported only", "检查项 {check} 仅报告"),
    Message("wide, not failing", "来源过宽，但未判为不通过"),
    Message("shadowed, so nothing is open", "已被拒绝规则覆盖，没有开放"),
    Message("exempt by {exemption}", "已由 {exemption} 豁免"),
    Message("not read: {code}: {message}", "未读取：{code}：{message}"),
    Message(
        "managed as code by {tool}: change it there too (`sgsweep patch` writes how), or it will be put back",
        "由 {tool} 以代码管理：请同时在代码中修改（`sgsweep patch` 给出改法），否则会被恢复",
    ),
    # what there is to say of exemptions
    Message(
        "exemption {id} of {owner} expired on {day} and no longer shields anything",
        "{owner} 的豁免 {id} 已于 {day} 过期，不再生效",
    ),
    Message("exemption {id} of {owner} expires on {day}", "{owner} 的豁免 {id} 将于 {day} 到期"),
    Message("exemption {id} of {owner} matches nothing", "{owner} 的豁免 {id} 没有匹配任何内容"),
    Message(
        "exemption {id} of {owner} can be taken by members, who can write {writable}; {n} findings are exempt by it",
        "{owner} 的豁免 {id} 可被成员账号自行取得（其可写 {writable}）；有 {n} 个风险项因此豁免",
    ),
    Message(
        "{entry} expired on {day} and accepts nothing any more", "{entry} 已于 {day} 过期，不再接受任何内容"
    ),
    Message("{entry} expires on {day}", "{entry} 将于 {day} 到期"),
    Message(
        "{entry} matches nothing: all that it is about was read, or is not in scope",
        "{entry} 没有匹配任何内容：相关内容均已读取，或不在范围内",
    ),
    # why a run is incomplete
    Message(
        "in {n} of {all} groups fewer rules were given than RuleCount counts: this cloud counts something else there, or "
        "every reading is cut short. `sgsweep accounts --check` tells how often they agree; [cloud] rule_count = "
        '"ignore" no longer compares them',
        "{all} 个安全组中有 {n} 个返回的规则少于 RuleCount 的计数：该云端的计数口径不同，或每次读取都被截断。"
        '`sgsweep accounts --check` 给出两者一致的比例；设置 [cloud] rule_count = "ignore" 后不再比较',
    ),
    Message(
        "{n} groups were taken over from an earlier run and not read again",
        "{n} 个安全组沿用之前运行的结果，未重新读取",
    ),
    Message(
        "{n} groups stood in neither of two lists of them; they were read because Resource Center names them, but others "
        "that are too new for it may be missing",
        "{n} 个安全组在两次列表中均未出现，因资源中心列出而被读取；资源中心尚未收录的新安全组可能缺失",
    ),
    Message(
        "{n} regions stood in neither of two lists of them; they were read because Resource Center names them, but "
        "others that are too new for it may be missing",
        "{n} 个地域在两次列表中均未出现，因资源中心列出而被读取；资源中心尚未收录的地域可能缺失",
    ),
    Message(
        "Resource Center names groups in {n} accounts that the directory did not list, and nobody looked there: {some}. "
        "See whether they are members",
        "资源中心在 {n} 个未列入资源目录的账号中发现安全组，这些账号未被查看：{some}。请确认它们是否为成员账号",
    ),
    Message("the run was stopped before the account was begun", "运行在读取该账号之前已中止"),
    Message("the run was stopped while the account was being read", "运行在读取该账号期间中止"),
    # by whose word it was everything
    Message(
        "{own}: there was no second witness, for Resource Center could not be asked ({why})",
        "{own}：没有第二来源印证，因为无法查询资源中心（{why}）",
    ),
    Message(
        "{own}: Resource Center, the second witness, could not be heard to its end ({why})",
        "{own}：作为第二来源的资源中心未能查询完（{why}）",
    ),
    Message(
        "{own} for {n} of {all} groups: Resource Center, the second witness, does not name them",
        "{all} 个安全组中有 {n} 个{own}：作为第二来源的资源中心没有列出它们",
    ),
    Message(
        "two witnesses: Resource Center names no group that {n} read groups leave out",
        "两个来源一致：资源中心列出的安全组均在已读取的 {n} 个之内",
    ),
    Message(
        "{n} groups were missing from the first list of their region, and were read because Resource Center names them",
        "{n} 个安全组未出现在所在地域的首次列表中，因资源中心列出而被读取",
    ),
    Message("{n} groups that Resource Center still names are gone", "资源中心仍列出的 {n} 个安全组已不存在"),
    Message("complete by its own listing", "仅以自身列表为准是完整的"),
    Message("by its own listing", "仅以自身列表为准"),
    # who acts, against which cloud
    Message(
        "as {arn} of account {account}, against {cloud}, by the proxy {proxy}",
        "身份 {arn}，账号 {account}，目标 {cloud}，经由代理 {proxy}",
    ),
    Message("as {arn} of account {account}, against {cloud}", "身份 {arn}，账号 {account}，目标 {cloud}"),
    Message(
        "NOT ALIBABA CLOUD'S OWN ENDPOINT: calls and session tokens go to {cloud}",
        "注意，不是阿里云自有的接入点：调用和会话令牌将发往 {cloud}",
    ),
    Message(
        "NOT THE SYSTEM'S AUTHORITIES ALONE: ca_file is trusted, too, SHA-256 {sha256}",
        "注意，不仅信任系统的证书颁发机构：同时信任 ca_file，SHA-256 {sha256}",
    ),
    # why a run was stopped
    Message("Ctrl-C was pressed", "用户按下了 Ctrl-C"),
)
"""Each form, in English as other rooms write it. The first that fits is taken."""

_WAIVED = re.compile(
    r"(?P<what>.*?)(?:; exempt until (?P<until>\d{4}-\d\d-\d\d) by (?P<by>[^:]*): (?P<why>.*)"
    r"|; the exemption (?P<id>.*) expired on (?P<over>\d{4}-\d\d-\d\d))\.",
    re.DOTALL,
)
_REACH = re.compile(r"(?P<n>[\d,]+) (?P<kind>public |private |)IPv4 addresses")
_REACH6 = re.compile(r"(?P<kind>public |private |)IPv6 addresses worth a (?P<size>/\d+)")
_KINDS: Mapping[str, str] = {"public ": "公网 ", "private ": "私网 ", "": " "}
_MORE = re.compile(r"(?P<shown>.*) and (?P<n>[\d,]+) more", re.DOTALL)
_WHOLE = {"the whole IPv4 Internet": "整个 IPv4 互联网", "the whole IPv6 Internet": "整个 IPv6 互联网"}


@lru_cache(maxsize=4096)  # a run has few different sentences, each many times
def retold(text: str) -> str:
    """Return the sentence in Chinese; one of an unknown form as it is."""
    if waived := _WAIVED.fullmatch(text):
        return f"{_told(waived['what'])}{_waiver(waived)}。"
    ended = text.endswith(".")
    known = _told(text[:-1] if ended else text)
    if known == (text[:-1] if ended else text):
        return text
    return f"{known}。" if ended else known


def _waiver(found: re.Match[str]) -> str:
    if found["until"]:
        return f"；由 {found['by']} 豁免，有效期至 {found['until']}：{found['why']}"
    return f"；豁免 {found['id']} 已于 {found['over']} 过期"


def _told(text: str) -> str:
    for form, chinese in _forms():
        if found := form.fullmatch(text):
            return chinese.format(
                **{key: _INNER.get(key, str)(value) for key, value in found.groupdict().items()}
            )
    return text


def _reach(text: str) -> str:
    return "和".join(_reached(part) for part in text.split(" and "))


def _reached(part: str) -> str:
    if whole := _WHOLE.get(part):
        return whole
    if found := _REACH.fullmatch(part):
        return f" {found['n']} 个{_KINDS[found['kind']]}IPv4 地址"
    if found := _REACH6.fullmatch(part):
        return f"相当于 {found['size']} 的{_KINDS[found['kind']]}IPv6 地址"
    return part


def _few(text: str) -> str:
    found = _MORE.fullmatch(text)
    return f"{found['shown']} 等（另有 {found['n']} 个）" if found else text


_WRITABLE: Mapping[str, str] = {
    " and the ": "和 the ",
    "the group name ": "安全组名称 ",
    "the group tag ": "安全组标签 ",
    "the resource address ": "资源地址 ",
    "a group named ": "安全组名称 ",
}


def _writable(text: str) -> str:
    for english, chinese in _WRITABLE.items():
        text = text.replace(english, chinese)
    return text


_INNER: Mapping[str, Callable[[str], str]] = {
    "reach": _reach,
    "ports": _few,
    "some": _few,
    "title": _told,
    "writable": _writable,
    "own": _told,
}


@lru_cache(maxsize=1)
def _forms() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Return the expression of each form; made when a first sentence is to be told, which in English never is."""
    return tuple((re.compile(_expression(one.en), re.DOTALL), one.zh) for one in RECORDED)


def _expression(form: str) -> str:
    parts = []
    for text, name, _, _ in Formatter().parse(form):
        parts.append(re.escape(text))
        if name:
            parts.append(f"(?P<{name}>{r'[0-9,]+' if name in {'n', 'all'} else '.+?'})")
    return "".join(parts)
