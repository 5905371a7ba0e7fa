"""The text that a reader sees of wikitext: words kept, markup removed, links and losses at the right offsets."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.dumps.xml import Site
from tasks.wikitext.cleaning import Cleaned, clean
from tasks.wikitext.wikis import wiki_of_site

SITE = Site({0: "", 1: "Talk", 4: "Wikipedia", 6: "File", 14: "Category"})


def cleaned(wikitext: str, language: str = "en") -> Cleaned:
    return clean(wikitext, wiki_of_site(SITE, language))


def shown(wikitext: str, language: str = "en") -> str:
    return cleaned(wikitext, language).text


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{convert|1023|m|ft|0}}", "1,023 metres"),
        ("{{Convert|1|mi|km|sp=us}}", "1 mile"),
        ("{{convert|5|to|10|km|mi|sp=us}}", "5 to 10 kilometers"),
        ("{{convert|5|ft|6|in|cm}}", "5 feet 6 inches"),
        ("{{convert|22|e6acre|km2}}", "22 million acres"),
        ("{{convert|9|m|0|abbr=on}}", "9 metres"),
        ("{{convert|25|ft|m|adj=on}}", "25-foot"),
        ("{{convert|2+1/2|in|mm}}", "2 1/2 inches"),
        ("{{convert|-6|C|0}}", "−6 °C"),
        ("{{cvt|45|km2}}", "45 square kilometres"),
        ("{{val|1234.5|0.2|e=-6|u=m}}", "1,234.5±0.2×10⁻⁶ m"),
        ("{{frac|3|1|2}}", "3 1/2"),
        ("{{formatnum:1234567}}", "1,234,567"),
        ("{{nts|12}}", "12"),
        ("{{lang|fr|''[[Paris|La ville]]''}}", "La ville"),
        ("{{lang-ru|Москва}}", "Russian: Москва"),
        ("{{transl|ar|ALA|bismillāh}}", "bismillāh"),
        ("{{nihongo|strikes|打ち|uchi}}", "strikes (打ち, uchi)"),
        ("{{nihongo|strikes|打ち}}", "strikes (打ち)"),
        ("{{zh|s=北京|p=Běijīng}}", "simplified Chinese: 北京; pinyin: Běijīng"),
        ("{{birth date|1879|3|14|df=yes}}", "14 March 1879"),
        ("{{Birth_date and age|1954|07|17}}", "July 17, 1954"),
        ("{{death date and age|1955|4|18|1879|3|14|mf=y}}", "April 18, 1955 (aged 76)"),
        ("{{death date and age|1955|3|13|1879|3|14|df=y}}", "13 March 1955 (aged 75)"),
        ("{{start date|2006|7}}", "July 2006"),
        ("{{as of|2010|5|lc=y}}", "as of May 2010"),
        ("{{circa|1500}}", "c. 1500"),
        ("{{age|1950|5|1|1980|4|30}}", "29"),
        ("{{nowrap|a {{nowrap|b [[C|c]]}} d}}", "a b c d"),
        ("{{ill|Ewald Wüst|de|lt=Wüst}}", "Wüst"),
        ("{{ill|de|Gymnasium|Old Gymnasium}}", "Old Gymnasium"),
        ("{{chem|H|2|O}}", "H2O"),
        ("US{{nbsp}}{{small|(1990)}}", "US (1990)"),
        ("{{US$|2 billion}}", "US$2 billion"),
        ("''Titanic''{{'s}}", "Titanic's"),
        ("{{HMS|Victory}}", "HMS Victory"),
    ],
)
def test_templates_keep_the_words_that_a_reader_sees(template: str, words: str) -> None:
    assert shown(f"It was {template} there.") == f"It was {words} there."


@pytest.mark.parametrize(
    ("wikitext", "text"),
    [
        ("'''Bold''' and ''italic'' and '''''both'''''.", "Bold and italic and both."),
        ("''Titanic'''s crew and L'''''Aurora'''''.", "Titanic's crew and LAurora."),
        ("The ''Eagle'''s crew.", "The Eagle's crew."),
        ("Fact.<ref name=x>A {{cite web|a=b}}</ref> More.<ref name=x /> End.{{cn|date=May}}", "Fact. More. End."),
        ("One<!-- not\n\nseen --> two.", "One two."),
        ("One\n<!-- a line of its own -->\ntwo.", "One two."),
        ("An {{IPAc-en|ˈ|æ}} name ({{IPA|x}}; {{respell|a}}, born 1900).", "An name (born 1900)."),
        ("A name ({{IPA|x}}) here.", "A name here."),
        ("E = mc<sup>2</sup>, 10<sup>−6</sup>, H<sub>2</sub>O, 19<sup>th</sup>.", "E = mc², 10⁻⁶, H2O, 19th."),
        ("5&nbsp;km &ndash; 6&thinsp;mi &amp; more.", "5 km – 6 mi & more."),
        ("See [http://example.org/a?b=c the site], [http://example.org] and [[Foo]].", "See the site, and Foo."),
        ("Use <nowiki>[[brackets]] and ''quotes''</nowiki> here.", "Use [[brackets]] and ''quotes'' here."),
        ("Before.\n{| class=x\n| a\n{|\n| inner\n|}\n|}\nAfter.", "Before.\n\nAfter."),
        ("Before.\n<TABLE border=1><TR><TD>a</TD></TR></TABLE>\nAfter.", "Before.\n\nAfter."),
        ("Before.\n<gallery>\nFile:A.jpg|[[B]]\n</gallery>\nAfter.", "Before.\n\nAfter."),
        ("[[File:A.jpg|thumb|A [[caption]] [http://a b] with [[File:B.jpg|20px]] {{nowrap|x}}]]Text.", "Text."),
        ("Text.\n[[Category:Things]]\n[[de:Ding]]\n[[be-x-old:Рэч]]\n__NOTOC__", "Text."),
        ("{{Infobox town\n| name = X\n| area = {{convert|5|km2}}\n}}\nX is a town.", "X is a town."),
        ("Two lines\nof one paragraph.\n\nAnother.", "Two lines of one paragraph.\n\nAnother."),
        ("== A ==\n=== B ===\nText.\n== Empty ==\n", "== A ==\n\n=== B ===\n\nText."),
        ("Text.\n* item\n* [[Link|second]]\n: third\n", "Text.\n\n* item\n* second\n: third"),
        ("{{quote|Words said.}}", "Words said."),
        ("Water<br />fall <div>block</div>", "Water fall\n\nblock"),
        ("{{unclosed|a=b\nProse goes on.", "Prose goes on."),
        ("({{cn}})\n\nText.", "Text."),
        ("{{{1|default}}} text, [[unclosed link.", "text, unclosed link."),
    ],
)  # fmt: skip
def test_markup_is_removed_and_prose_is_kept(wikitext: str, text: str) -> None:
    assert shown(wikitext) == text


def test_links_have_the_right_offsets_behind_removed_markup() -> None:
    page = cleaned(
        "𝔘 {{nowrap|[[berlin (city)|Berlin]]}}{{cn}} and <ref>[[No]]</ref>[[new york]]ers met [[:Category:X|these]], "
        "[[wikt:word|words]], [[#Here|below]], [[Paris#History|the ''old'' city]] and [[Ünder_score&nbsp;name]]."
    )
    assert page.text == "𝔘 Berlin and new yorkers met these, words, below, the old city and Ünder_score name."
    assert [(link.target, link.anchor) for link in page.links] == [
        ("Berlin (city)", "Berlin"),
        ("New york", "new yorkers"),
        ("Paris", "the old city"),
        ("Ünder score name", "Ünder_score name"),
    ]
    assert all(page.text[link.start : link.end] == link.anchor for link in page.links)


def test_a_loss_within_a_sentence_leaves_a_mark_at_its_offset() -> None:
    page = cleaned(
        "{{Unknown box|a=1}}\n\nThe mass <math>m</math> is {{inflation|US|5|1990}} today.{{sfn|Smith}} So be it."
    )
    assert page.text == "The mass is today. So be it."
    assert [(lost.reason, page.text[: lost.start]) for lost in page.lost] == [
        ("math", "The mass"),
        ("template:inflation", "The mass is"),
    ]


def test_letters_after_a_link_belong_to_it_where_the_language_writes_spaces() -> None:
    assert cleaned("[[Bär]]enhöhle", "de").links[0].anchor == "Bärenhöhle"
    assert cleaned("[[柏林]]abc", "zh").links[0].anchor == "柏林"


def test_chinese_variants_show_one_script() -> None:
    assert shown("-{zh-hans:计算机; zh-hant:電腦}-是-{机器}-。", "zh") == "计算机是机器。"


def test_templates_and_categories_of_a_page_are_reported() -> None:
    page = cleaned("{{About|x}} '''X''' is {{nowrap|a {{Small town}}}}. [[category:Old towns|X]] [[:Category:No]]")
    assert page.templates == {"about", "nowrap", "small town"}
    assert page.categories == ["Old towns"]


PIECES = [
    *(
        "[[",
        "]]",
        "{{",
        "}}",
        "|",
        " ",
        "\n",
        "\n\n",
        "word",
        "Ü",
        "=",
        "\n== H ==\n",
        "'''",
        "''",
        "<ref>",
        "</ref>",
        "<br>",
    ),
    *(
        "&nbsp;",
        "&lt;",
        "<math>x</math>",
        ",",
        ";",
        "(",
        ")",
        "–",
        ".",
        ":",
        "#",
        "*",
        "nowrap",
        "cn",
        "File:A.jpg",
        "\t",
    ),
    *(
        "[[A|b]]",
        "[[A#s|c]]",
        "{{nowrap|q}}",
        "{{cn}}",
        "{{x}}",
        "\n{|\n| a\n|}\n",
        "<!-- c -->",
        "\xa0",
        "[",
        "]",
        "\x01",
    ),
]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=25))
def test_any_wikitext_gives_valid_offsets_and_leaves_no_mark(pieces: list[str]) -> None:
    page = cleaned("".join(pieces))
    assert all(page.text[link.start : link.end] == link.anchor for link in page.links)
    assert all(0 <= mark.start <= len(page.text) for mark in page.lost)
    assert not any(ord(sign) < 9 for sign in page.text) and page.text == page.text.strip()


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "piece", ["{{", "[[", "<ref>", "\n{|", "<!--", "\n<!-- a\n", "''a'''b ", "[http://a ", "(;", ",", "{{zzz}} ,"]
)
def test_hostile_repetition_takes_linear_time(piece: str) -> None:
    clean(piece * 30_000, wiki_of_site(SITE, "en"))
