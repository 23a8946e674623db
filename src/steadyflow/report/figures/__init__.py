"""The figures, one file each (`report.exhibits` says what such a file holds). Each returns its pages for
`style.write_figure`, none taller than `style.PAGE_HEIGHT`.

Metrics are tidy, as described in `report.tables`. `groups` is heading -> run -> label: every group begins a page, under
its heading; the only one of a study that shows none has the heading "". Rows follow the order of the groups, unless the
figure sorts them. Images are uint8 with 1 or 3 channels, channels last.
"""
