"""Facts of Caffe's file formats: its messages, their wire form, its blobs. Shared by importers, emit and training; knows no layer, no spec."""
