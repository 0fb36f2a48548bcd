"""Links to hosts that are not allowed lose their address, however it is written; the rest stays."""

import pytest

from surefoot.guard.links import Hosts, find_links, read_hosts
from surefoot.guard.redact import replace

GONE = [
    "![x](https://evil.test/p.png?d=1)",
    "[x](http://evil.test)",
    "[x](//evil.test/a)",
    "[x](///evil.test/a)",
    "[x](https:evil.test/a)",
    "[x](https:\\\\evil.test/a)",
    "[x](\\\\evil.test/a)",
    "[x](https\\://evil.test/a)",
    "[x](https&#58;//evil.test/a)",
    "[x](&#x68;ttps://evil.test/a)",
    "[x](ht&Tab;tps://evil.test/a)",
    "[x](https://evil.test 'title')",
    '[x](https://evil.test\n"a ) title")',
    "[x](\n   https://evil.test)",
    "[x](" + " " * 200 + "https://evil.test)",
    "[x](javascript:alert(1)//evil)",
    "[x](vbscript:evil)",
    "![x](https://evil.test/a(b)c)",
    "[![x](https://docs.test/a)](https://evil.test)",
    "[![x](https://evil.test/a)](https://docs.test)",
    "![a [b] c](https://evil.test)",
    "![x\ny](https://evil.test)",
    "![x](https://evil.test/cut",
    "[a [b] c](https://evil.test)",
    "[x](data:text/html,evil)",
    "![x](<https://evil.test/a b>)",
    "[x](https://docs.test@evil.test/)",
    "[x](https://docs.test\\@evil.test/)",
    "[x](https://docs.test.evil.test/)",
    "[x](https://evil.test\\.docs.test/)",
    "[x](https://docs.test&#64;evil.test/)",
    "[x](https://evil.test:443/)",
    "[x](https://ｅvil.test/)",
    "[x](https://evil。test/)",
    "[x](https://dоcs.test/evil)",
    "[x](https://do\u00adcs.test/evil)",
    "[x](https://[::1/evil)",
    "[x](ftp://docs.test/evil)",
    "<img src=https://evil.test/a.png>",
    "<img src=' https://evil.test/a.png'>",
    '<img alt=">" src="https://evil.test/a.png">',
    "<img/src=https://evil.test/a.png>",
    "<IMG alt='a' SRC='//evil.test/a.png'>",
    "<img srcset='/a.png 1x, https://evil.test/b.png 2x'>",
    "<img src=https://evil.test/never-closed",
    "<img src='&#104;ttps://evil.test/a'>",
    "<img src='ht\ntps://evil.test/a'>",
    '<a href="https://evil.test">',
    "<a href='java\nscript:evil()'>",
    "<iframe src=https://evil.test>",
    "<base href=https://evil.test>",
    "<meta http-equiv=refresh content='0;url=https://evil.test'>",
    "<svg><image xlink:href='https://evil.test/a'/></svg>",
    "<td style='background:url(https://evil.test/a)'>",
    "<div style='background:url(//evil.test/a)'>",
    "<style>@import 'https://evil.test/a.css';</style>",
    '<style>body{background:url( "https://evil.test/a" )}</style>',
    "url(url(https://evil.test/a))",
    "\n[ref]: https://evil.test/x 'title'",
    "\n> [ref]: https://evil.test/x",
    "\n[ref]:\n  <https://evil.test/x>",
    "]:\n[ref]: https://evil.test/x",
    "https://evil.test/?" + "evil" * 20,
    "<https://evil.test/#" + "evil" * 20 + ">",
    "www.evil.test/" + "evil" * 50,
    "https://" + "evil" * 12 + ".test/",
    "https://evil:evil@docs.test.evil/",
    "<style>a{background:image-set('https://evil.test/a' 1x)}</style>",
    "<style>@import'//evil.test/a';</style>",
    "<style>@\\69mport '//evil.test'</style>",
    "<style>a{} /* never closed */ b{background:\\75rl(//evil.test/a)}",
    '<p style="background:u\\rl(https://evil.test/a)">',
    "<p style='background:url&#40;https://evil.test/a&#41;'>",
    "x<blockquote cite=https://evil.test>",
    "<svg><mpath href=//evil.test></svg>",
    "<div onclick=location='//evil.test'>",
    "[x](java\tscript:evil)",
    "[x](<java\nscript:evil>)",
    "![x](ht\ntps://evil.test/a)",
    "[x](/\t/evil.test)",
    "url('https://evil.test/a b')",
    "mailto:evil@evil.test?body=" + "evil" * 15,
    "evil.test/?q=" + "evil" * 15,
    "see: //evil.test/?q=" + "evil" * 15,
    "https://" + "evilevil." * 6 + "evil.test/",
]
KEPT = [
    "![x](https://docs.test/p.png?d=1)",
    "[x](HTTPS://DOCS.TEST./a)",
    "[x](https://a.b.wild.test/)",
    "[x](/relative#there)",
    "[x](#anchor)",
    "[x]()",
    "[see]: below, and [that]: too",
    "<img src='logo.png'>",
    "<a name=here>",
    "<svg xmlns='http://www.w3.org/2000/svg' width=1>",
    "<td style='color:red'>",
    "if a <b and c> d: f(a[0](x))",
    "plain https://evil.test/a?b=c text",
    "<https://evil.test/page>",
    "[ref]: https://docs.test/x",
    "https://docs.test/?" + "long" * 20,
    "array[0](x)",
    "no links at all",
    "if (a <b && c> d) { vector<int> e; } // note",
    "a[0](b,\n\tc)",
    "mailto:ann@shop.test or shop.test/a/b",
    "[x](https://docs.test/a\n'title')",
    "<blockquote cite='https://docs.test/a'>",
    "<style>a{color:red}</style>",
    "src/surefoot/guard/links.py/a",
]
ALLOWED = ["docs.test", "*.wild.test"]


def neutralise_links(text, allowed=()):
    return replace(text, find_links(text, Hosts(frozenset(allowed))))


@pytest.mark.parametrize("text", GONE)
def test_links_to_hosts_that_are_not_allowed_lose_their_address(text):
    made = neutralise_links(f"see {text} there", ALLOWED)
    assert made.redactions
    assert "removed" in made.text
    assert neutralise_links(made.text, ALLOWED).redactions == ()
    for form in ("://", "evil.test/", ":evil", "evil(", "=https", "&#", "\\\\"):
        assert form not in made.text.replace("//www.w3", "").replace("https://docs.test/a)", "").replace(
            "https://docs.test)", ""
        )


@pytest.mark.parametrize("text", KEPT)
def test_links_that_may_go_stay(text):
    assert neutralise_links(text, ALLOWED).text == text


def test_what_it_was_and_where_it_led_stays_and_its_span_is_told():
    made = neutralise_links("go ![cat](https://evil.test/c.png) now, or [there](http://a.test:80/b)")
    assert made.text == "go ![cat] [image removed: evil.test] now, or [there] [link removed: a.test]"
    assert [(r.start, r.end, r.kind) for r in made.redactions] == [(9, 34, "image"), (50, 70, "link")]
    assert made.counts == {"image": 1, "link": 1}


def test_a_host_that_carries_data_is_not_shown_whole():
    made = neutralise_links("[x](https://c2VjcmV0LWRhdGEtb2YtdGhlLXVzZXI.evil.test/)")
    assert made.text == "[x] [link removed: ….evil.test]"
    made = neutralise_links("[x](https://c2VjcmV0LWRhdGEtb2YtdGhlLXVzZXI.test/)")
    assert made.text == "[x] [link removed: ….….test]"


def test_the_label_of_a_link_is_looked_at_for_itself():
    long = "https://evil.test/?" + "d" * 60
    assert neutralise_links(f"[{long}](https://evil.test)").text.count("evil.test") == 2


def test_hosts_that_the_user_has_named_take_links_and_no_images():
    hosts = Hosts(named=lambda: read_hosts("look at https://shop.test/a and at www.other.test, not at ann@mail.test"))

    def made(text):
        return replace(text, find_links(text, hosts)).text

    assert hosts.named() == {"shop.test", "www.other.test"}
    assert made("[x](https://shop.test/b)") == "[x](https://shop.test/b)"
    assert made("[x](https://www.shop.test/b)") == "[x](https://www.shop.test/b)"
    assert made("![x](https://shop.test/b)") == "![x] [image removed: shop.test]"
    assert made("[x](https://mail.test/b)") == "[x] [link removed: mail.test]"
    assert made("[x](https://a.shop.test/b)") == "[x] [link removed: a.shop.test]"


def test_any_host_may_be_allowed():
    assert neutralise_links("![x](https://evil.test/?d=1)", ["*"]).redactions == ()
    assert neutralise_links("[x](javascript:evil)", ["*"]).redactions != ()


def test_words_without_a_dot_name_no_host():
    assert read_hosts("nothing here") == frozenset()


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("a <img src='https://evil.test/a'> b", "a [image removed: evil.test] b"),
        ("<img src='https://evil.test/a'> b", "[image removed: evil.test] b"),
        ("a\n<img src='https://evil.test/a'>b", "a\n[image removed: evil.test]b"),
        ("a<img src='https://evil.test/a'>", "a [image removed: evil.test]"),
        (f"(https://evil.test/?d={'1' * 60})", "([link removed: evil.test])"),
        (f"see https://evil.test/?d={'1' * 60} now", "see [link removed: evil.test] now"),
        ("[a](https://evil.test/) b", "[a] [link removed: evil.test] b"),
    ],
)
def test_one_space_stands_before_a_note(text, made):
    assert replace(text, find_links(text, Hosts())).text == made
