"""Fields, messages and enums that well-known forks of Caffe added, in the notation of schema;
number 0: known by name only.

BlobProto has numbers: NVIDIA's fork writes its weights so, and no other fork uses them.
"""

from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["FORK_ENUMS", "FORK_MESSAGES", "FORK_WORDS"]


class ForkWord(NamedTuple):
    """A fork's word for a field that others name otherwise; and what that fork takes for fields
    that are left out, where it is not what others take.
    """

    name: str
    defaults: Mapping[str, int] = {}


FORK_WORDS: Mapping[str, Mapping[str, ForkWord]] = {
    # Huawei's Ascend and HiSilicon tools (ATC, "Extended Operators of Caffe"): 3,000 and 304 boxes
    "ProposalParameter": {
        "iou_threshold": ForkWord("nms_thresh", {"pre_nms_topn": 3000, "post_nms_topn": 304}),
    }
}

FORK_MESSAGES = {
    "AccuracyParameter": "0 denominator float",
    "AnnotatedDataParameter": "0 batch_sampler BatchSampler*; 0 label_map_file string",
    "BNParameter": """
        0 slope_filler FillerParameter; 0 bias_filler FillerParameter; 0 momentum float; 0 eps float; 0 frozen bool; 0 engine Engine;
        0 bn_mode BNMode; 0 scale_filler FillerParameter; 0 shift_filler FillerParameter""",
    "BatchNormParameter": """
        0 update_global_stats bool; 0 scale_bias bool; 0 scale_filler FillerParameter; 0 bias_filler FillerParameter; 0 engine Engine""",
    "BatchSampler": """
        0 use_original_image bool; 0 sampler Sampler; 0 sample_constraint SampleConstraint; 0 max_sample uint; 0 max_trials uint""",
    "BBoxRegParameter": "0 bbox_mean float*; 0 bbox_std float*; 0 cls_aware bool",
    "BlobProto": "10 raw_data_type RawType; 11 raw_diff_type RawType; 12 raw_data bytes; 13 raw_diff bytes",
    "BoxAnnotatorOHEMParameter": "0 roi_per_img uint; 0 ignore_label int",
    "BoxOutputParameter": """
        0 fg_thr float; 0 iou_thr float; 0 nms_type string; 0 field_h uint*; 0 field_w uint*; 0 downsample_rate uint*; 0 field_whr float;
        0 field_xyr float; 0 max_nms_num uint; 0 max_post_nms_num uint; 0 min_size float""",
    "CenterLossParameter": "0 num_output uint; 0 center_filler FillerParameter; 0 axis int",
    "DataParameter": """
        0 shuffle bool; 0 threads uint; 0 parser_threads uint; 0 cache bool; 0 preclude_fusion bool; 0 data_format string""",
    "DenseImageDataParameter": """
        0 source string; 0 batch_size uint; 0 rand_skip uint; 0 shuffle bool; 0 new_height uint; 0 new_width uint; 0 is_color bool;
        0 mean_file string; 0 root_folder string""",
    "DetectionEvaluateParameter": """
        0 num_classes uint; 0 background_label_id uint; 0 overlap_threshold float; 0 evaluate_difficult_gt bool; 0 name_size_file string""",
    "DetectionOutputParameter": """
        0 num_classes uint; 0 share_location bool; 0 background_label_id int; 0 nms_param NonMaximumSuppressionParameter;
        0 save_output_param SaveOutputParameter; 0 variance_encoded_in_target bool; 0 keep_top_k int; 0 confidence_threshold float;
        0 visualize bool; 0 visualize_threshold float; 0 code_type CodeType; 0 save_file string""",
    "DistortionParameter": """
        0 brightness_prob float; 0 brightness_delta float; 0 contrast_prob float; 0 contrast_lower float; 0 contrast_upper float;
        0 hue_prob float; 0 hue_delta float; 0 saturation_prob float; 0 saturation_lower float; 0 saturation_upper float;
        0 random_order_prob float""",
    "DropoutParameter": "0 scale_train bool; 0 sample_weights_test bool",
    "EltwiseParameter": "0 coeff_blob bool",
    "EmitConstraint": "0 emit_type EmitType; 0 emit_overlap float",
    "ExpansionParameter": "0 prob float; 0 max_expand_ratio float",
    "FlipParameter": "0 flip_width bool; 0 flip_height bool",
    "ImageDataParameter": "0 ignore_label int; 0 label_type LabelType; 0 min_height uint; 0 min_width uint",
    "InsanityParameter": "0 lb float; 0 ub float",
    "InterpParameter": "0 height int; 0 width int; 0 zoom_factor int; 0 shrink_factor int; 0 pad_beg int; 0 pad_end int",
    "LayerParameter": """
        0 annotated_data_param AnnotatedDataParameter; 0 detection_evaluate_param DetectionEvaluateParameter;
        0 detection_output_param DetectionOutputParameter; 0 multibox_loss_param MultiBoxLossParameter; 0 norm_param NormalizeParameter;
        0 permute_param PermuteParameter; 0 prior_box_param PriorBoxParameter; 0 roi_pooling_param ROIPoolingParameter;
        0 smooth_l1_loss_param SmoothL1LossParameter; 0 video_data_param VideoDataParameter; 0 bn_param BNParameter;
        0 interp_param InterpParameter; 0 seg_accuracy_param SegAccuracyParameter; 0 dense_image_data_param DenseImageDataParameter;
        0 upsample_param UpsampleParameter; 0 box_annotator_ohem_param BoxAnnotatorOHEMParameter;
        0 psroi_pooling_param PSROIPoolingParameter; 0 shuffle_channel_param ShuffleChannelParameter; 0 normalize_param NormalizeParameter;
        0 relu6_param ReLUParameter; 0 engine string; 0 forward_type string; 0 backward_type string; 0 forward_math string;
        0 backward_math string; 0 quantization_param QuantizationParameter;
        0 reorg_param ReorgParameter; 0 mergecrop_param MergeCropParameter;
        0 flip_param FlipParameter; 0 insanity_param InsanityParameter; 0 center_loss_param CenterLossParameter;
        0 box_output_param BoxOutputParameter; 0 proposal_param ProposalParameter; 0 bbox_reg_param BBoxRegParameter""",
    "LossParameter": "0 weight_by_label_freqs bool; 0 class_weighting float*; 0 pre_fixed_normalizer float",
    "MergeCropParameter": "0 operation MergeOp; 0 forward bool*; 0 backward bool*",
    "MultiBoxLossParameter": """
        0 loc_loss_type LocLossType; 0 conf_loss_type ConfLossType; 0 loc_weight float; 0 num_classes uint; 0 share_location bool;
        0 match_type MatchType; 0 overlap_threshold float; 0 use_prior_for_matching bool; 0 background_label_id uint;
        0 use_difficult_gt bool; 0 do_neg_mining bool; 0 neg_pos_ratio float; 0 neg_overlap float; 0 encode_variance_in_target bool;
        0 map_object_to_agnostic bool; 0 code_type CodeType; 0 mining_type MiningType; 0 nms_param NonMaximumSuppressionParameter;
        0 bp_inside bool; 0 bp_outside bool; 0 use_prior_for_nms bool; 0 ignore_cross_boundary_bbox bool""",
    "NetParameter": """
        0 default_forward_type string; 0 default_backward_type string; 0 default_forward_math string; 0 default_backward_math string;
        0 engine string""",
    "NoiseParameter": """
        0 prob float; 0 hist_eq bool; 0 inverse bool; 0 decolorize bool; 0 gauss_blur bool; 0 jpeg float; 0 posterize bool; 0 erode bool;
        0 saltpepper bool; 0 saltpepper_param SaltPepperParameter; 0 clahe bool; 0 convert_to_hsv bool; 0 convert_to_lab bool""",
    "NonMaximumSuppressionParameter": "0 nms_threshold float; 0 top_k int; 0 eta float",
    "NormalizeParameter": "0 across_spatial bool; 0 scale_filler FillerParameter; 0 channel_shared bool; 0 eps float",
    "PSROIPoolingParameter": "0 spatial_scale float; 0 output_dim int; 0 group_size int",
    "PermuteParameter": "0 order uint*",
    "PoolingParameter": "0 ceil_mode bool",
    "PriorBoxParameter": """
        0 min_size float*; 0 max_size float*; 0 aspect_ratio float*; 0 flip bool; 0 clip bool; 0 variance float*; 0 img_size uint;
        0 img_h uint; 0 img_w uint; 0 step float; 0 step_h float; 0 step_w float; 0 offset float""",
    "ProposalParameter": """
        0 feat_stride uint; 0 base_size uint; 0 min_size uint; 0 ratio float*; 0 scale float*; 0 pre_nms_topn uint; 0 post_nms_topn uint;
        0 nms_thresh float""",
    "QuantizationParameter": """
        0 bw_layer_in int; 0 bw_layer_out int; 0 bw_params int; 0 fl_layer_in int; 0 fl_layer_out int; 0 fl_params int; 0 scale_in float*;
        0 scale_out float*; 0 scale_params float*; 0 precision string; 0 is_negative_input bool; 0 bw_add int; 0 bw_multiply int;
        0 exp_min int; 0 exp_max int; 0 rounding_scheme string; 0 rounding_time string; 0 unit_scale bool""",
    "ROIPoolingParameter": "0 pooled_h uint; 0 pooled_w uint; 0 spatial_scale float; 0 pad_ratio float",
    "ReorgParameter": "0 stride uint; 0 reverse bool",
    "ResizeParameter": """
        0 prob float; 0 resize_mode ResizeMode; 0 height uint; 0 width uint; 0 pad_mode PadMode; 0 pad_value float*;
        0 interp_mode InterpMode*""",
    "SaltPepperParameter": "0 fraction float; 0 value float*",
    "SampleConstraint": """
        0 min_jaccard_overlap float; 0 max_jaccard_overlap float; 0 min_sample_coverage float; 0 max_sample_coverage float;
        0 min_object_coverage float; 0 max_object_coverage float""",
    "Sampler": "0 min_scale float; 0 max_scale float; 0 min_aspect_ratio float; 0 max_aspect_ratio float",
    "SaveOutputParameter": """
        0 output_directory string; 0 output_name_prefix string; 0 output_format string; 0 label_map_file string; 0 name_size_file string;
        0 num_test_image uint""",
    "SegAccuracyParameter": "0 metric AccuracyMetric; 0 ignore_label int*; 0 reset bool",
    "ShuffleChannelParameter": "0 group uint",
    "SmoothL1LossParameter": "0 sigma float",
    "SolverParameter": "0 eval_type string; 0 ap_version string; 0 show_per_class_result bool",
    "TransformationParameter": """
        0 crop_h uint; 0 crop_w uint; 0 resize_param ResizeParameter; 0 noise_param NoiseParameter; 0 emit_constraint EmitConstraint;
        0 scale_factors float*; 0 crop_width uint; 0 crop_height uint; 0 flow bool; 0 distort_param DistortionParameter;
        0 expand_param ExpansionParameter; 0 use_gpu_transform bool; 0 img_rand_resize_lower uint; 0 img_rand_resize_upper uint;
        0 rand_resize_ratio_lower float; 0 rand_resize_ratio_upper float; 0 vertical_stretch_lower float;
        0 vertical_stretch_upper float; 0 horizontal_stretch_lower float; 0 horizontal_stretch_upper float;
        0 interpolation_algo_up string; 0 interpolation_algo_down string; 0 allow_upscale bool; 0 random_seed int""",
    "UpsampleParameter": """
        0 scale uint; 0 scale_h uint; 0 scale_w uint; 0 pad_out_h bool; 0 pad_out_w bool; 0 upsample_h uint; 0 upsample_w uint""",
    "VideoDataParameter": "0 video_type VideoType; 0 device_id int; 0 video_file string",
}

FORK_ENUMS = {
    "AccuracyMetric": {"PixelAccuracy": 0, "ClassAccuracy": 1, "PixelIOU": 2},
    "BNMode": {"LEARN": 0, "INFERENCE": 1},
    "CodeType": {"CORNER": 1, "CENTER_SIZE": 2, "CORNER_SIZE": 3},
    "ConfLossType": {"SOFTMAX": 0, "LOGISTIC": 1},
    "EmitType": {"CENTER": 0, "MIN_OVERLAP": 1},
    "InterpMode": {"LINEAR": 1, "AREA": 2, "NEAREST": 3, "CUBIC": 4, "LANCZOS4": 5},
    "LabelType": {"NONE": 0, "IMAGE": 1, "PIXEL": 2},
    "LocLossType": {"L2": 0, "SMOOTH_L1": 1},
    "MatchType": {"BIPARTITE": 0, "PER_PREDICTION": 1},
    "MergeOp": {"STACK": 0, "ADD": 1},
    "MiningType": {"NONE": 0, "MAX_NEGATIVE": 1, "HARD_EXAMPLE": 2},
    "NormalizationMode": {"PRE_FIXED": 3},
    "PadMode": {"CONSTANT": 1, "MIRRORED": 2, "REPEAT_NEAREST": 3},
    "RawType": {"DOUBLE": 0, "FLOAT": 1, "FLOAT16": 2, "INT": 3, "UINT": 4, "BOOL": 5},
    "ResizeMode": {"WARP": 1, "FIT_SMALL_SIZE": 2, "FIT_LARGE_SIZE_AND_PAD": 3},
    "VideoType": {"WEBCAM": 0, "VIDEO": 1},
}
