"""What we rely on in Pykka beyond its documentation: these fail if an upgrade changes it."""

import inspect
from importlib.metadata import version

import pykka
import pytest
from patience import patience
from pykka._envelope import Envelope
from pykka.messages import _ActorStop

from mmactors.runtime import Actor, ThreadedRuntime
from mmactors.runtime.mailbox import STOP, Mailbox


class Quiet(Actor):
    def receive(self, message):
        return message


@pytest.fixture
def runtime():
    made = ThreadedRuntime()
    yield made
    assert made.stop_all() == []


def test_the_version_is_the_one_whose_source_was_read():
    assert version("pykka").startswith("4.5")


def test_the_hooks_have_the_signatures_that_we_override():
    assert list(inspect.signature(pykka.ThreadingActor._create_actor_inbox).parameters) == []
    assert list(inspect.signature(pykka.ThreadingActor._start_actor_loop).parameters) == ["self"]
    assert Envelope.__slots__ == ["message", "reply_to"]
    assert _ActorStop() == STOP


def test_an_actor_calls_the_inbox_hook_once_and_its_ref_leads_there(runtime):
    actor = Quiet(runtime, "a", 1)
    assert type(actor.mailbox) is Mailbox
    assert actor.actor_inbox is actor.mailbox
    assert actor.actor_ref.actor_inbox is actor.mailbox


def test_start_registers_the_actor_and_then_calls_the_start_hook(runtime):
    ref = Quiet.start(runtime, "a", 1)
    assert ref in pykka.ActorRegistry.get_all()
    assert ref.ask("echo", timeout=patience(10)) == "echo"
    assert ref.stop(timeout=patience(10))


def test_a_ref_tells_through_the_mailbox_and_stops_at_once(runtime):
    runtime.spawn("a", Quiet)
    ref = runtime.directory.get("a").actor_ref
    ref.tell("hello")
    assert ref.ask("echo", timeout=patience(10)) == "echo"
    assert ref.stop(timeout=patience(10)) is True


def test_a_stop_is_answered_once_on_end_has_run(runtime):
    ended = []

    class Ending(Quiet):
        def on_end(self):
            ended.append(self.name)

    runtime.spawn("a", Ending)
    assert runtime.directory.get("a").actor_ref.stop(timeout=patience(10))
    assert ended == ["a"]


def test_a_ref_knows_by_the_stopped_event_that_its_actor_is_dead(runtime):
    runtime.spawn("a", Quiet)
    ref = runtime.directory.get("a").actor_ref
    runtime.stop_all()
    assert not ref.is_alive()
    with pytest.raises(pykka.ActorDeadError):
        ref.tell("hello")
    assert ref.stop(timeout=patience(10)) is False


def test_pykkas_own_loop_could_read_the_mailbox(runtime):
    mailbox = Mailbox(runtime.clock)
    mailbox.put(Envelope("a message"))
    envelope = mailbox.get()
    assert (envelope.message, envelope.reply_to) == ("a message", None)
    assert mailbox.empty()
    mailbox.put(Envelope(_ActorStop()))
    assert isinstance(mailbox.get().message, _ActorStop)


def test_stop_all_of_the_registry_reaches_our_actors(runtime):
    runtime.spawn("a", Quiet)
    runtime.spawn("b", Quiet)
    pykka.ActorRegistry.stop_all(timeout=patience(10))
    runtime.stop_all()
    assert runtime.names() == []
