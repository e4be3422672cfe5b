/* Stands in for libnvinfer.so.11, libnvonnxparser.so.11 and libnvinfer_plugin.so.11, so that the
 * bindings of TensorRT can be imported where its libraries are not: their classes, methods and
 * signatures can then be read. Every entry point returns null, so nothing can be built or run. */

#define STUB(name) void *name(void) { return 0; }

STUB(createInferBuilder_INTERNAL)
STUB(createInferRuntime_INTERNAL)
STUB(createInferRefitter_INTERNAL)
STUB(createNvOnnxParser_INTERNAL)
STUB(createNvOnnxParserRefitter_INTERNAL)
STUB(getNvOnnxParserVersion)
STUB(initLibNvInferPlugins)
STUB(getPluginRegistry)
STUB(getBuilderPluginRegistry)
STUB(getInferLibVersion)
STUB(getLogger)
