/* kind_bedrock: Claude on AWS Bedrock by InvokeModel and InvokeModelWithResponseStream
 * (messages-api.md 7; AWS's own documents of the Bedrock Runtime API). */
#ifndef POSTERN_UPSTREAM_BEDROCK_H
#define POSTERN_UPSTREAM_BEDROCK_H

#include "upstream/kind.h"

extern const struct kind kind_bedrock;

#endif
