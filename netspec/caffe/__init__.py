"""Facts of Caffe's file formats: messages, wire form, blobs. Importers, emit and training share it;
it knows no layer and no spec.
"""
