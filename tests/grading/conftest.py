"""`pytest tests/grading --work exercises` marks one's own exercises with the public checks."""


def pytest_addoption(parser) -> None:
    parser.addoption("--work", default="solutions", metavar="DIR", help="folder of the exercises to mark")
