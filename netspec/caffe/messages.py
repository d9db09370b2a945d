"""BVLC Caffe's messages and enums: public facts of its file formats, in a notation of ours (see
schema).
"""

__all__ = ["ENUMS", "MESSAGES", "WITHOUT_MAP"]

WITHOUT_MAP = frozenset(
    [
        "AbsVal",
        "Axpy",
        "BNLL",
        "BatchReindex",
        "EuclideanLoss",
        "Filter",
        "LSTMUnit",
        "MultinomialLogisticLoss",
        "Silence",
        "Split",
    ]
)
"""Types, of Caffe and its forks, whose layers have no param map of their own."""

MESSAGES = {
    "AccuracyParameter": "1 top_k uint; 2 axis int; 3 ignore_label int",
    "ArgMaxParameter": "1 out_max_val bool; 2 top_k uint; 3 axis int",
    "BatchNormParameter": "1 use_global_stats bool; 2 moving_average_fraction float; 3 eps float",
    "BiasParameter": "1 axis int; 2 num_axes int; 3 filler FillerParameter",
    "BlobProto": """
        1 num int; 2 channels int; 3 height int; 4 width int; 5 data float**; 6 diff float**; 7 shape BlobShape; 8 double_data double**;
        9 double_diff double**""",
    "BlobProtoVector": "1 blobs BlobProto*",
    "BlobShape": "1 dim int**",
    "ClipParameter": "1 min float; 2 max float",
    "ConcatParameter": "1 concat_dim uint; 2 axis int",
    "ContrastiveLossParameter": "1 margin float; 2 legacy_version bool",
    "ConvolutionParameter": """
        1 num_output uint; 2 bias_term bool; 3 pad uint*; 4 kernel_size uint*; 5 group uint; 6 stride uint*;
        7 weight_filler FillerParameter; 8 bias_filler FillerParameter; 9 pad_h uint; 10 pad_w uint; 11 kernel_h uint; 12 kernel_w uint;
        13 stride_h uint; 14 stride_w uint; 15 engine Engine; 16 axis int; 17 force_nd_im2col bool; 18 dilation uint*""",
    "CropParameter": "1 axis int; 2 offset uint*",
    "DataParameter": """
        1 source string; 2 scale float; 3 mean_file string; 4 batch_size uint; 5 crop_size uint; 6 mirror bool; 7 rand_skip uint;
        8 backend DB; 9 force_encoded_color bool; 10 prefetch uint""",
    "Datum": "1 channels int; 2 height int; 3 width int; 4 data bytes; 5 label int; 6 float_data float*; 7 encoded bool",
    "DropoutParameter": "1 dropout_ratio float",
    "DummyDataParameter": """
        1 data_filler FillerParameter*; 2 num uint*; 3 channels uint*; 4 height uint*; 5 width uint*; 6 shape BlobShape*""",
    "ELUParameter": "1 alpha float",
    "EltwiseParameter": "1 operation EltwiseOp; 2 coeff float*; 3 stable_prod_grad bool",
    "EmbedParameter": """
        1 num_output uint; 2 input_dim uint; 3 bias_term bool; 4 weight_filler FillerParameter; 5 bias_filler FillerParameter""",
    "ExpParameter": "1 base float; 2 scale float; 3 shift float",
    "FillerParameter": """
        1 type string; 2 value float; 3 min float; 4 max float; 5 mean float; 6 std float; 7 sparse int; 8 variance_norm VarianceNorm""",
    "FlattenParameter": "1 axis int; 2 end_axis int",
    "HDF5DataParameter": "1 source string; 2 batch_size uint; 3 shuffle bool",
    "HDF5OutputParameter": "1 file_name string",
    "HingeLossParameter": "1 norm Norm",
    "ImageDataParameter": """
        1 source string; 2 scale float; 3 mean_file string; 4 batch_size uint; 5 crop_size uint; 6 mirror bool; 7 rand_skip uint;
        8 shuffle bool; 9 new_height uint; 10 new_width uint; 11 is_color bool; 12 root_folder string""",
    "InfogainLossParameter": "1 source string; 2 axis int",
    "InnerProductParameter": """
        1 num_output uint; 2 bias_term bool; 3 weight_filler FillerParameter; 4 bias_filler FillerParameter; 5 axis int;
        6 transpose bool""",
    "InputParameter": "1 shape BlobShape*",
    "LRNParameter": "1 local_size uint; 2 alpha float; 3 beta float; 4 norm_region NormRegion; 5 k float; 6 engine Engine",
    "LayerParameter": """
        1 name string; 2 type string; 3 bottom string*; 4 top string*; 5 loss_weight float*; 6 param ParamSpec*; 7 blobs BlobProto*;
        8 include NetStateRule*; 9 exclude NetStateRule*; 10 phase Phase; 11 propagate_down bool*;
        100 transform_param TransformationParameter; 101 loss_param LossParameter; 102 accuracy_param AccuracyParameter;
        103 argmax_param ArgMaxParameter; 104 concat_param ConcatParameter; 105 contrastive_loss_param ContrastiveLossParameter;
        106 convolution_param ConvolutionParameter; 107 data_param DataParameter; 108 dropout_param DropoutParameter;
        109 dummy_data_param DummyDataParameter; 110 eltwise_param EltwiseParameter; 111 exp_param ExpParameter;
        112 hdf5_data_param HDF5DataParameter; 113 hdf5_output_param HDF5OutputParameter; 114 hinge_loss_param HingeLossParameter;
        115 image_data_param ImageDataParameter; 116 infogain_loss_param InfogainLossParameter;
        117 inner_product_param InnerProductParameter; 118 lrn_param LRNParameter; 119 memory_data_param MemoryDataParameter;
        120 mvn_param MVNParameter; 121 pooling_param PoolingParameter; 122 power_param PowerParameter; 123 relu_param ReLUParameter;
        124 sigmoid_param SigmoidParameter; 125 softmax_param SoftmaxParameter; 126 slice_param SliceParameter;
        127 tanh_param TanHParameter; 128 threshold_param ThresholdParameter; 129 window_data_param WindowDataParameter;
        130 python_param PythonParameter; 131 prelu_param PReLUParameter; 132 spp_param SPPParameter; 133 reshape_param ReshapeParameter;
        134 log_param LogParameter; 135 flatten_param FlattenParameter; 136 reduction_param ReductionParameter;
        137 embed_param EmbedParameter; 138 tile_param TileParameter; 139 batch_norm_param BatchNormParameter; 140 elu_param ELUParameter;
        141 bias_param BiasParameter; 142 scale_param ScaleParameter; 143 input_param InputParameter; 144 crop_param CropParameter;
        145 parameter_param ParameterParameter; 146 recurrent_param RecurrentParameter; 147 swish_param SwishParameter;
        148 clip_param ClipParameter""",
    "LogParameter": "1 base float; 2 scale float; 3 shift float",
    "LossParameter": "1 ignore_label int; 2 normalize bool; 3 normalization NormalizationMode",
    "MVNParameter": "1 normalize_variance bool; 2 across_channels bool; 3 eps float",
    "MemoryDataParameter": "1 batch_size uint; 2 channels uint; 3 height uint; 4 width uint",
    "NetParameter": """
        1 name string; 2 layers V1LayerParameter*; 3 input string*; 4 input_dim int*; 5 force_backward bool; 6 state NetState;
        7 debug_info bool; 8 input_shape BlobShape*; 100 layer LayerParameter*""",
    "NetState": "1 phase Phase; 2 level int; 3 stage string*",
    "NetStateRule": "1 phase Phase; 2 min_level int; 3 max_level int; 4 stage string*; 5 not_stage string*",
    "PReLUParameter": "1 filler FillerParameter; 2 channel_shared bool",
    "ParamSpec": "1 name string; 2 share_mode DimCheckMode; 3 lr_mult float; 4 decay_mult float",
    "ParameterParameter": "1 shape BlobShape",
    "PoolingParameter": """
        1 pool PoolMethod; 2 kernel_size uint; 3 stride uint; 4 pad uint; 5 kernel_h uint; 6 kernel_w uint; 7 stride_h uint;
        8 stride_w uint; 9 pad_h uint; 10 pad_w uint; 11 engine Engine; 12 global_pooling bool; 13 round_mode RoundMode""",
    "PowerParameter": "1 power float; 2 scale float; 3 shift float",
    "PythonParameter": "1 module string; 2 layer string; 3 param_str string; 4 share_in_parallel bool",
    "ReLUParameter": "1 negative_slope float; 2 engine Engine",
    "RecurrentParameter": """
        1 num_output uint; 2 weight_filler FillerParameter; 3 bias_filler FillerParameter; 4 debug_info bool; 5 expose_hidden bool""",
    "ReductionParameter": "1 operation ReductionOp; 2 axis int; 3 coeff float",
    "ReshapeParameter": "1 shape BlobShape; 2 axis int; 3 num_axes int",
    "SPPParameter": "1 pyramid_height uint; 2 pool PoolMethod; 6 engine Engine",
    "ScaleParameter": "1 axis int; 2 num_axes int; 3 filler FillerParameter; 4 bias_term bool; 5 bias_filler FillerParameter",
    "SigmoidParameter": "1 engine Engine",
    "SliceParameter": "1 slice_dim uint; 2 slice_point uint*; 3 axis int",
    "SoftmaxParameter": "1 engine Engine; 2 axis int",
    "SolverParameter": """
        1 train_net string; 2 test_net string*; 3 test_iter int*; 4 test_interval int; 5 base_lr float; 6 display int; 7 max_iter int;
        8 lr_policy string; 9 gamma float; 10 power float; 11 momentum float; 12 weight_decay float; 13 stepsize int; 14 snapshot int;
        15 snapshot_prefix string; 16 snapshot_diff bool; 17 solver_mode SolverMode; 18 device_id int; 19 test_compute_loss bool;
        20 random_seed int; 21 train_net_param NetParameter; 22 test_net_param NetParameter*; 23 debug_info bool; 24 net string;
        25 net_param NetParameter; 26 train_state NetState; 27 test_state NetState*; 28 snapshot_after_train bool;
        29 regularization_type string; 30 solver_type SolverType; 31 delta float; 32 test_initialization bool; 33 average_loss int;
        34 stepvalue int*; 35 clip_gradients float; 36 iter_size int; 37 snapshot_format SnapshotFormat; 38 rms_decay float;
        39 momentum2 float; 40 type string; 41 layer_wise_reduce bool; 42 weights string*""",
    "SolverState": "1 iter int; 2 learned_net string; 3 history BlobProto*; 4 current_step int",
    "SwishParameter": "1 beta float",
    "TanHParameter": "1 engine Engine",
    "ThresholdParameter": "1 threshold float",
    "TileParameter": "1 axis int; 2 tiles int",
    "TransformationParameter": """
        1 scale float; 2 mirror bool; 3 crop_size uint; 4 mean_file string; 5 mean_value float*; 6 force_color bool; 7 force_gray bool""",
    "V0LayerParameter": """
        1 name string; 2 type string; 3 num_output uint; 4 biasterm bool; 5 weight_filler FillerParameter; 6 bias_filler FillerParameter;
        7 pad uint; 8 kernelsize uint; 9 group uint; 10 stride uint; 11 pool PoolMethod; 12 dropout_ratio float; 13 local_size uint;
        14 alpha float; 15 beta float; 16 source string; 17 scale float; 18 meanfile string; 19 batchsize uint; 20 cropsize uint;
        21 mirror bool; 22 k float; 50 blobs BlobProto*; 51 blobs_lr float*; 52 weight_decay float*; 53 rand_skip uint;
        54 det_fg_threshold float; 55 det_bg_threshold float; 56 det_fg_fraction float; 58 det_context_pad uint; 59 det_crop_mode string;
        60 new_num int; 61 new_channels int; 62 new_height int; 63 new_width int; 64 shuffle_images bool; 65 concat_dim uint;
        1001 hdf5_output_param HDF5OutputParameter""",
    "V1LayerParameter": """
        1 layer V0LayerParameter; 2 bottom string*; 3 top string*; 4 name string; 5 type V1LayerType; 6 blobs BlobProto*;
        7 blobs_lr float*; 8 weight_decay float*; 9 concat_param ConcatParameter; 10 convolution_param ConvolutionParameter;
        11 data_param DataParameter; 12 dropout_param DropoutParameter; 13 hdf5_data_param HDF5DataParameter;
        14 hdf5_output_param HDF5OutputParameter; 15 image_data_param ImageDataParameter; 16 infogain_loss_param InfogainLossParameter;
        17 inner_product_param InnerProductParameter; 18 lrn_param LRNParameter; 19 pooling_param PoolingParameter;
        20 window_data_param WindowDataParameter; 21 power_param PowerParameter; 22 memory_data_param MemoryDataParameter;
        23 argmax_param ArgMaxParameter; 24 eltwise_param EltwiseParameter; 25 threshold_param ThresholdParameter;
        26 dummy_data_param DummyDataParameter; 27 accuracy_param AccuracyParameter; 29 hinge_loss_param HingeLossParameter;
        30 relu_param ReLUParameter; 31 slice_param SliceParameter; 32 include NetStateRule*; 33 exclude NetStateRule*;
        34 mvn_param MVNParameter; 35 loss_weight float*; 36 transform_param TransformationParameter; 37 tanh_param TanHParameter;
        38 sigmoid_param SigmoidParameter; 39 softmax_param SoftmaxParameter; 40 contrastive_loss_param ContrastiveLossParameter;
        41 exp_param ExpParameter; 42 loss_param LossParameter; 1001 param string*; 1002 blob_share_mode DimCheckMode*""",
    "WindowDataParameter": """
        1 source string; 2 scale float; 3 mean_file string; 4 batch_size uint; 5 crop_size uint; 6 mirror bool; 7 fg_threshold float;
        8 bg_threshold float; 9 fg_fraction float; 10 context_pad uint; 11 crop_mode string; 12 cache_images bool; 13 root_folder string""",
}

ENUMS = {
    "DB": {"LEVELDB": 0, "LMDB": 1},
    "DimCheckMode": {"STRICT": 0, "PERMISSIVE": 1},
    "EltwiseOp": {"PROD": 0, "SUM": 1, "MAX": 2},
    "Engine": {"DEFAULT": 0, "CAFFE": 1, "CUDNN": 2},
    "Norm": {"L1": 1, "L2": 2},
    "NormRegion": {"ACROSS_CHANNELS": 0, "WITHIN_CHANNEL": 1},
    "NormalizationMode": {"FULL": 0, "VALID": 1, "BATCH_SIZE": 2, "NONE": 3},
    "Phase": {"TRAIN": 0, "TEST": 1},
    "PoolMethod": {"MAX": 0, "AVE": 1, "STOCHASTIC": 2},
    "ReductionOp": {"SUM": 1, "ASUM": 2, "SUMSQ": 3, "MEAN": 4},
    "RoundMode": {"CEIL": 0, "FLOOR": 1},
    "SnapshotFormat": {"HDF5": 0, "BINARYPROTO": 1},
    "SolverMode": {"CPU": 0, "GPU": 1},
    "SolverType": {"SGD": 0, "NESTEROV": 1, "ADAGRAD": 2, "RMSPROP": 3, "ADADELTA": 4, "ADAM": 5},
    "V1LayerType": {
        "NONE": 0,
        "ABSVAL": 35,
        "ACCURACY": 1,
        "ARGMAX": 30,
        "BNLL": 2,
        "CONCAT": 3,
        "CONTRASTIVE_LOSS": 37,
        "CONVOLUTION": 4,
        "DATA": 5,
        "DECONVOLUTION": 39,
        "DROPOUT": 6,
        "DUMMY_DATA": 32,
        "EUCLIDEAN_LOSS": 7,
        "ELTWISE": 25,
        "EXP": 38,
        "FLATTEN": 8,
        "HDF5_DATA": 9,
        "HDF5_OUTPUT": 10,
        "HINGE_LOSS": 28,
        "IM2COL": 11,
        "IMAGE_DATA": 12,
        "INFOGAIN_LOSS": 13,
        "INNER_PRODUCT": 14,
        "LRN": 15,
        "MEMORY_DATA": 29,
        "MULTINOMIAL_LOGISTIC_LOSS": 16,
        "MVN": 34,
        "POOLING": 17,
        "POWER": 26,
        "RELU": 18,
        "SIGMOID": 19,
        "SIGMOID_CROSS_ENTROPY_LOSS": 27,
        "SILENCE": 36,
        "SOFTMAX": 20,
        "SOFTMAX_LOSS": 21,
        "SPLIT": 22,
        "SLICE": 33,
        "TANH": 23,
        "WINDOW_DATA": 24,
        "THRESHOLD": 31,
    },
    "VarianceNorm": {"FAN_IN": 0, "FAN_OUT": 1, "AVERAGE": 2},
}
