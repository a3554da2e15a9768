"""Examinations of data sets: each looks for one kind of defect and says where it is."""
