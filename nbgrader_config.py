"""nbgrader's folders are the course's own: `nbgrader generate_assignment --no-db 03-mixed-op` writes exercises/."""

c = get_config()  # noqa: F821
c.CourseDirectory.course_id = "speechnas_lab"
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "exercises"
c.GenerateFeedback.preprocessors = [
    "speechnas_lab.grading.classes.hide.HideTests",  # else students would read the hidden tests
    "nbgrader.preprocessors.GetGrades",
    "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor",
]
