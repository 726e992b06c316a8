"""Continuation lines of moved arguments keep their place under what they were aligned with."""

from __future__ import annotations

import textwrap

import pytest

from tests.migrate.migrated import migrate, notes


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            """
            model.fit_generator(datagen.flow(x,
                                             y),  # two lines
                                # all of them
                                steps_per_epoch=3,
                                callbacks=[a,
                                           {
                                    'x': 1,
                                }])
            """,
            """
            legacy.fit_generator(model, datagen.flow(x,
                                                     y),  # two lines
                                 # all of them
                                 steps_per_epoch=3,
                                 callbacks=[a,
                                            {
                                     'x': 1,
                                 }])
            """,
        ),
        (
            """
            net.fit_generator(flow(
                x), steps_per_epoch=3,
                callbacks=[a,
                           b])
            """,
            """
            legacy.fit_generator(net, flow(
                x), steps_per_epoch=3,
                callbacks=[a,
                           b])
            """,
        ),
        (
            """
            net.fit_generator(
                              flow(x,
                                   y),
                              steps_per_epoch=3)
            """,
            """
            legacy.fit_generator(
                              net,
                              flow(x,
                                   y),
                              steps_per_epoch=3)
            """,
        ),
        (
            '''
            self.model.fit_generator(gen, steps_per_epoch=len("""
                                        text"""), epochs=(1 +
                                                          2))
            ''',
            '''
            legacy.fit_generator(self.model, gen, steps_per_epoch=len("""
                                        text"""), epochs=(1 +
                                                          2))
            ''',
        ),
        (
            "m.fit_generator(gen,\n\t\tsteps_per_epoch=3)\n",
            "legacy.fit_generator(m, gen,\n\t\tsteps_per_epoch=3)\n",
        ),
        (
            "(model\n .fit_generator(gen,\n                steps_per_epoch=3))\n",
            "(legacy.fit_generator(model, gen,\n                steps_per_epoch=3))\n",
        ),
    ],
    ids=["aligned", "hanging", "first_line", "text", "tabs", "chained"],
)
@pytest.mark.parametrize("indent", ["", "    "])
def test_continuation_lines(old, new, indent):
    def block(text: str) -> str:
        text = textwrap.dedent(text).strip("\n") + "\n"
        if indent and "text" not in text:
            text = "if 1:\n" + textwrap.indent(text, indent)
        return text

    assert migrate("import keras\n" + block(old)) == (
        "import keras\nfrom keras_bigdata import legacy\n" + block(new)
    )


def test_a_comment_between_the_model_and_the_method_is_not_lost():
    code = "import keras\n(model  # the small one\n .fit_generator(gen, steps_per_epoch=3))\n"
    assert migrate(code) == code
    assert "a comment stands between the model and the method" in notes(code)[2]
