typedef int (*sse_fn)(void *arg);
typedef void sse_done(int code);
typedef unsigned long count;
typedef struct sse {
	int a;
} sse;
