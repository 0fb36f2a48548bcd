"""What an honest author of AgentDojo's tools would declare.

Made from the docstrings and return types of the tools, and not changed since the attacks were looked at, but for the
fields of an attachment, which its documentation names and which had been left out with its type; each group
says what in them it follows from. No more can be shown: who wrote it knew the benchmark. Two questions were asked of
each tool: who is affected by an argument, and who can have written what comes back. In doubt the default stands: an
argument decides (``what``), and a result is untrusted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, TypedDict

from msgspec import Struct

from surefoot.policy.declared import PolicyOptions, Record, SinkKind
from surefoot.tools import Effect


class Mail(TypedDict):
    """Of a received mail only the number and the time are the server's: everything else its sender wrote."""

    id_: Record[str]
    timestamp: Record[str]


class SentMail(TypedDict):
    """Of a mail that the user has sent the server knows to whom it went, too."""

    id_: Record[str]
    recipients: Record[list[str]]
    cc: Record[list[str]]
    timestamp: Record[str]


class Event(TypedDict):
    """Whoever invites writes title, description and place; who takes part and when is the calendar's."""

    id_: Record[str]
    start_time: Record[str]
    end_time: Record[str]
    participants: Record[list[str]]
    status: Record[str]


class File(TypedDict):
    """Names and contents of files come from whoever shared them; the rest is the drive's."""

    id_: Record[str]
    owner: Record[str]
    last_modified: Record[str]
    size: Record[int]
    shared_with: Record[dict[str, str]]


class Appointment(TypedDict, total=False):
    """An event that is attached: title, description, times, place and participants."""

    title: str
    description: str
    start_time: str
    end_time: str
    location: str
    participants: list[str]


class Attachment(TypedDict, total=False):
    """What is attached: of type file one with the id of a file, of type event one with the event's details."""

    type: str
    file_id: str
    event_details: Appointment


class Transaction(TypedDict):
    """Of a transfer the bank knows all but the subject, which whoever sends the money writes."""

    id: Record[int]
    sender: Record[str]
    recipient: Record[str]
    amount: Record[float]
    date: Record[str]
    recurring: Record[bool]


class ChatMessage(TypedDict):
    """The server knows who wrote to whom, and not what."""

    sender: Record[str]
    recipient: Record[str]


class Declaration(Struct, frozen=True):
    """What is declared of one tool.

    Attributes:
        effect: ``read`` or ``write``.
        returns: Type of the result, with the marks of its fields.
        options: What else `surefoot.tool` is given.
        parameters: Types of parameters whose fields the documentation names, by name.
    """

    effect: Effect
    returns: Any
    options: PolicyOptions
    parameters: Mapping[str, Any] = {}


def _read(returns: Any = Any, *, trusted: bool = False) -> Declaration:
    return Declaration("read", returns, {"output": "trusted" if trusted else "untrusted"})


def _write(
    sinks: Mapping[str, SinkKind],
    returns: Any = Any,
    *,
    trusted: bool = False,
    destructive: bool = False,
    intents: Sequence[str] = (),
    parameters: Mapping[str, Any] = MappingProxyType({}),
) -> Declaration:
    output: PolicyOptions = {"output": "trusted" if trusted else "untrusted"}
    options: PolicyOptions = {**output, "sinks": sinks, "destructive": destructive, "intents": intents}
    return Declaration("write", returns, options, parameters)


# "Returns all the unread emails": text by whoever sent them. "Sends an email with the given `body` to the given
# `address`": the addresses decide who gets it, attachments what leaves the drive, subject and body are text.
# "Deletes the email": the tools have nothing that brings it back. "Finds contacts in the inbox's contact list": the
# list is the user's own.
_MAIL: Final[dict[str, Declaration]] = {
    "send_email": _write(
        {
            "recipients": "who",
            "cc": "who",
            "bcc": "who",
            "attachments": "what",
            "subject": "content",
            "body": "content",
        },
        SentMail,
        parameters={"attachments": list[Attachment] | None},
    ),
    "delete_email": _write({"email_id": "what"}, trusted=True, destructive=True),
    "get_unread_emails": _read(list[Mail]),
    "get_received_emails": _read(list[Mail]),
    "search_emails": _read(list[Mail]),
    "get_sent_emails": _read(list[SentMail]),
    "get_draft_emails": _read(list[SentMail]),
    "search_contacts_by_name": _read(trusted=True),
    "search_contacts_by_email": _read(trusted=True),
}

# "Creates a new calendar event ... participants: the list of participants' email addresses": they are written to.
# Title, description, place and times describe the entry. What one says who wants an entry: schedule a meeting, remind.
# "Cancels / reschedules the event with the given `event_id`": both can be undone by the next call.
# "Returns the current day": of the clock.
_ENTRY: Final = ("create", "add", "schedule", "event", "meeting", "appointment", "reminder", "remind")
_CALENDAR: Final[dict[str, Declaration]] = {
    "get_current_day": _read(trusted=True),
    "search_calendar_events": _read(list[Event]),
    "get_day_calendar_events": _read(list[Event]),
    "create_calendar_event": _write(
        {
            "participants": "who", "title": "content", "description": "content", "location": "content",
            "start_time": "content", "end_time": "content",
        },
        Event, intents=_ENTRY,
    ),
    "cancel_calendar_event": _write({"event_id": "what"}, trusted=True),
    "reschedule_calendar_event": _write(
        {"event_id": "what", "new_start_time": "content", "new_end_time": "content"}, Event
    ),
    "add_calendar_event_participants": _write({"event_id": "what", "participants": "who"}, Event),
}  # fmt: skip

# "Create a new file": it replaces none, so its name is text. "Append content to a file", "Share a file with a user":
# the file, and who gets it, decide. "Delete a file": nothing brings it back. "Retrieve", "Search": of files that others
# may have shared.
_DRIVE: Final[dict[str, Declaration]] = {
    "append_to_file": _write({"file_id": "what", "content": "content"}, File),
    "create_file": _write({"filename": "content", "content": "content"}, File),
    "delete_file": _write({"file_id": "what"}, File, destructive=True),
    "share_file": _write({"file_id": "what", "email": "who", "permission": "content"}, File),
    "search_files_by_filename": _read(list[File]),
    "get_file_by_id": _read(File),
    "list_files": _read(list[File]),
    "search_files": _read(list[File]),
}

# "Get all hotels in the given city", prices, addresses, opening hours: the agency's own catalogue. Ratings and reviews
# are what guests wrote. "Reserve a hotel": which one decides; days and times are what was agreed on.
_CATALOGUE: Final = (
    "get_user_information", "get_all_hotels_in_city", "get_hotels_prices", "get_hotels_address",
    "get_all_restaurants_in_city", "get_cuisine_type_for_restaurants", "get_restaurants_address",
    "get_dietary_restrictions_for_all_restaurants", "get_contact_information_for_restaurants",
    "get_price_for_restaurants", "check_restaurant_opening_hours", "get_all_car_rental_companies_in_city",
    "get_car_types_available", "get_car_fuel_options", "get_car_rental_address", "get_car_price_per_day",
    "get_flight_information",
)  # fmt: skip
_RESERVE: Final = ("reserve", "reservation", "book")
_TRAVEL: Final[dict[str, Declaration]] = {
    **{name: _read(trusted=True) for name in _CATALOGUE},
    "get_rating_reviews_for_hotels": _read(),
    "get_rating_reviews_for_restaurants": _read(),
    "get_rating_reviews_for_car_rental": _read(),
    "reserve_hotel": _write(
        {"hotel": "what", "start_day": "content", "end_day": "content"}, trusted=True, intents=_RESERVE
    ),
    "reserve_car_rental": _write(
        {"company": "what", "start_time": "content", "end_time": "content"}, trusted=True, intents=(*_RESERVE, "rent")
    ),
    "reserve_restaurant": _write({"restaurant": "what", "start_time": "content"}, trusted=True, intents=_RESERVE),
}

# "IBAN of the recipient", "Amount of the transaction": who and how much. Subject and date are text. "Update a scheduled
# transaction": which one, too. "Update the user's password": a secret. "Update the user information": it all decides.
# "Reads the contents of the file": of anybody's. Balance, IBAN and the user's data are the bank's.
_BANK: Final[dict[str, Declaration]] = {
    "get_iban": _read(trusted=True),
    "get_balance": _read(trusted=True),
    "get_user_info": _read(trusted=True),
    "read_file": _read(),
    "get_most_recent_transactions": _read(list[Transaction]),
    "get_scheduled_transactions": _read(list[Transaction]),
    "send_money": _write(
        {"recipient": "who", "amount": "amount", "subject": "content", "date": "content"}, trusted=True,
        intents=("send", "pay", "transfer", "refund", "transaction"),
    ),
    "schedule_transaction": _write(
        {"recipient": "who", "amount": "amount", "subject": "content", "date": "content"}, trusted=True,
        intents=("schedule", "recurring", "set up", "standing order", "pay"),
    ),
    "update_scheduled_transaction": _write(
        {"id": "what", "recipient": "who", "amount": "amount", "subject": "content", "date": "content"}, trusted=True,
        intents=("update", "change", "adjust", "increase", "standing order", "scheduled"),
    ),
    "update_password": _write({"password": "credential"}, trusted=True, intents=("password",)),
    "update_user_info": _write({}, trusted=True, intents=("update", "change", "address", "moved")),
}  # fmt: skip

# "Get the list of channels", "the list of users": the server's. "Read the messages": of whoever writes there. Whoever
# is written to, invited, added or removed decides; a removed user does not come back by himself.
# "Returns the content of the webpage at a given URL": anybody's text, and the URL itself carries data out.
_CHAT: Final[dict[str, Declaration]] = {
    "get_channels": _read(trusted=True),
    "get_users_in_channel": _read(trusted=True),
    "read_channel_messages": _read(list[ChatMessage]),
    "read_inbox": _read(list[ChatMessage]),
    "add_user_to_channel": _write({"user": "who", "channel": "what"}),
    "send_direct_message": _write({"recipient": "who", "body": "content"}),
    "send_channel_message": _write({"channel": "who", "body": "content"}),
    "invite_user_to_slack": _write({"user": "who", "user_email": "who"}),
    "remove_user_from_slack": _write({"user": "who"}, destructive=True),
    "get_webpage": Declaration("read", Any, {"egress": True, "sinks": {"url": "address"}}),
    "post_webpage": _write({"url": "address", "content": "content"}),
}

DECLARATIONS: Final[Mapping[str, Declaration]] = {**_MAIL, **_CALENDAR, **_DRIVE, **_TRAVEL, **_BANK, **_CHAT}
"""By the tool's name."""
