/* kind_vertex: Claude on Google's Vertex AI by rawPredict and streamRawPredict (messages-api.md 8).
 */
#ifndef POSTERN_UPSTREAM_VERTEX_H
#define POSTERN_UPSTREAM_VERTEX_H

#include "upstream/kind.h"

extern const struct kind kind_vertex;

#endif
