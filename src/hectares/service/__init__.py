"""A local service over one folder: scenes in, class maps out, in a browser or by requests.

The folder is the only memory: scenes and segmenters are found in it, every map has a folder with its record in it,
and whatever was under way when the service ended goes on when it is started again.
"""
