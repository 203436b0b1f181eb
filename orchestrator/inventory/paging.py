"""Reads the lists of one account: what `accounts.paging` refuses becomes an error of the cloud that says where."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from accounts import Unreachable, paging
from accounts.paging import Answer
from orchestrator.cloud.errors import CloudError, CountMismatch, Unavailable

_SUBJECTS = ("RegionId", "SecurityGroupId", "PrefixListId", "PortRangeListId")


class ReadSession(Protocol):
    """One account by one identity, to read; `orchestrator.cloud.client.AccountSession` is one."""

    @property
    def account_id(self) -> str:
        """The account."""
        ...

    async def call(
        self, action: str, region_id: str | None, parameters: Mapping[str, object]
    ) -> dict[str, Any]:
        """Return the decoded answer of an ECS action, or raise CloudError."""
        ...


class ProductCaller(Protocol):
    """One account by one identity, for every product; `orchestrator.cloud.client.AccountSession` is one."""

    @property
    def account_id(self) -> str:
        """The account."""
        ...

    async def call(
        self, action: str, region_id: str | None, parameters: Mapping[str, object], *, product: str
    ) -> dict[str, Any]:
        """Return the decoded answer of an action of the product, or raise CloudError."""
        ...


class ProductSession:
    """A session that speaks to another product than ECS, for lists of it."""

    def __init__(self, session: ProductCaller, product: str) -> None:
        self.account_id = session.account_id
        self._session = session
        self._product = product

    async def call(
        self, action: str, region_id: str | None, parameters: Mapping[str, object]
    ) -> dict[str, Any]:
        """Return the decoded answer of an action of the product, or raise CloudError."""
        return await self._session.call(action, region_id, parameters, product=self._product)


def unreachable(
    error: CloudError, account_id: str, region_id: str | None = None, group_id: str | None = None
) -> Unreachable:
    """Return what to write down of a thing that could not be read."""
    return Unreachable(
        account_id=account_id,
        region_id=region_id,
        security_group_id=group_id,
        code=error.code,
        message=error.message,
        request_id=error.request_id,
    )


class PagedList:
    """One list of an account and region, asked for by one action.

    Attributes:
        action: such as DescribeSecurityGroups.
        path: where the list stands in the answer.
    """

    def __init__(
        self, session: ReadSession, action: str, region_id: str | None, path: tuple[str, ...]
    ) -> None:
        self.action = action
        self.path = path
        self._session = session
        self._region_id = region_id

    async def pages(
        self, parameters: Answer, *, named: str = ""
    ) -> AsyncIterator[tuple[Answer, list[Answer]]]:
        """Yield every page, and its part of the list.

        Args:
            parameters: of the call; NextToken is added.
            named: the text that each item must have, and by which it is counted once.

        Raises:
            CountMismatch: it counts more than it gave, at its end.
            CloudError: the list could not be read in full.
        """
        tally = paging.ListTally(named)

        def ask(token: str) -> Awaitable[Answer]:
            asked = {**parameters, "NextToken": token} if token else parameters
            return self._session.call(self.action, self._region_id, asked)

        with self._told():
            async for page in paging.follow(ask):
                self._refuse_foreign(page, parameters)
                found = paging.items(page, self.path, named=named)
                tally.take(page, found)
                yield page, found
            tally.check(page)

    async def whole(self, parameters: Answer, *, named: str = "") -> tuple[Answer, list[Answer]]:
        """Return the only page of a list that is not paged, and the list.

        Raises:
            CountMismatch: it counts more than it gave.
            CloudError: it could not be read.
        """
        tally = paging.ListTally(named)
        with self._told():
            answer = await self._session.call(self.action, self._region_id, parameters)
            self._refuse_foreign(answer, parameters)
            found = paging.items(answer, self.path, named=named)
            tally.take(answer, found)
            tally.check(answer)
            return answer, found

    async def numbered(self, parameters: Answer, *, named: str) -> AsyncIterator[list[Answer]]:
        """Yield the items of every page of a list that is asked for by page number, from 1.

        Args:
            parameters: of the call, PageSize among them; PageNumber is added.
            named: the text by which its items are told apart.

        Raises:
            CountMismatch: it counts more than it gave.
            CloudError: the list could not be read in full.
        """

        def ask(number: int) -> Awaitable[Answer]:
            return self._session.call(self.action, self._region_id, {**parameters, "PageNumber": number})

        with self._told():
            async for found in paging.numbered(ask, self.path, named):
                yield found

    def malformed(self, message: str, answer: Mapping[str, Any]) -> Unavailable:
        """Return the error for an answer that is no answer to what was asked."""
        return self._error(paging.MalformedAnswerError(message, answer))

    def mismatch(self, message: str, answer: Mapping[str, Any]) -> Unavailable:
        """Return the error for an answer that the cloud's own counts contradict."""
        return self._error(paging.CountMismatchError(message, answer))

    def _refuse_foreign(self, answer: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
        """Refuse an answer about another region, group or list than was asked for."""
        for key in _SUBJECTS:
            given = answer.get(key)
            if given and key in asked and given != asked[key]:
                raise paging.MalformedAnswerError(
                    f"asked for {key} {asked[key]}, answered about {str(given)[:80]}", answer
                )

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except paging.MalformedAnswerError as error:
            raise self._error(error) from None

    def _error(self, error: paging.MalformedAnswerError) -> Unavailable:
        kind = CountMismatch if isinstance(error, paging.CountMismatchError) else Unavailable
        return kind(
            code=error.code,
            message=error.message,
            request_id=error.request_id,
            status=200,
            action=self.action,
            account_id=self._session.account_id,
            region_id=self._region_id or "",
        )
