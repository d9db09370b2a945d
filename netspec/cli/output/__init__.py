"""What commands show: tables, pages, pictures and lines of text.

In: results as plain data. Out: text for a terminal, rows, files of pictures. Must not know: words of the
command line, how a result was computed.
"""
