"""`ember configure`: one file for each of its commands."""

from .._group import Group, Lazy

configure = Group(
    "configure",
    help="""Read and change settings and keys.

    Settings stand in config.yaml, keys in credentials.yaml, both in ~/.ember (or where EMBER_HOME points).
    Keys are shown by their last four characters, and never taken from the command line.""",
    examples="""
        ember configure list
        ember configure get models.default
        ember configure set models.default gpt-4o
        ember configure set credentials.openai_api_key     (asks, unseen)
    """,
    commands={
        "get": Lazy("ember.cli.configure.get:get", "Print the value of a setting."),
        "set": Lazy("ember.cli.configure.set:set_", "Change a setting, or store a key."),
        "unset": Lazy("ember.cli.configure.unset:unset", "Take a setting out of the files."),
        "list": Lazy("ember.cli.configure.list:list_", "List what is set, and by what."),
        "show": Lazy("ember.cli.configure.show:show", "Show all of one section, defaults included."),
        "path": Lazy("ember.cli.configure.path:path", "Print where the files are."),
        "migrate": Lazy("ember.cli.configure.migrate:migrate", "Bring old settings into today's files."),
        "import": Lazy("ember.cli.configure.import_:import_", "Store keys that other programs have."),
        "edit": Lazy("ember.cli.configure.edit:edit", "Open config.yaml in your editor."),
    },
)
