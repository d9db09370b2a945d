"""Pictures with boxes around what they show.

In: pictures, and rows as annotations have them. Out: a source whose labels are rows; a survey; boxes drawn.
Must not know: any format of annotations.
"""
