/* limits: every maximum of the program, by name. A buffer without a name here does not exist. */
#ifndef POSTERN_BASE_LIMITS_H
#define POSTERN_BASE_LIMITS_H

#define KIB 1024ul
#define MIB (1024ul * 1024ul)

/* Configuration and key file. */
#define CONF_FILE_MAX	 (1 * MIB)
#define CONF_LIST_MAX	 256u	    /* entries in one list option */
#define CONF_SECTION_MAX 4096u	    /* sections of one kind */
#define REACH_MAX	 (64 * MIB) /* what `postern check` says is reachable */
#define FINDINGS_MAX	 100u	    /* faults shown of one file */
#define KEY_FILE_MAX	 (1024 * MIB)
#define KEY_DAMAGE_MAX	 100u /* damaged lines of the key file that are shown one by one */
#define KEY_LINE_MAX	 4096u
#define KEY_ID_MAX	 32u
#define SECRET_FILE_MAX	 (16 * KIB)
#define PRICES_MAX	 4096u /* patterns in the list of prices */
#define NAME_MAX_LEN	 64u   /* workspace, upstream and region names */

/* The request. */
#define BODY_MEMORY_MAX (1 * MIB) /* above this a body is kept in an unlinked file */
/* A body has a minute, and a second more for each thousand of its bytes. */
#define BODY_GRACE_MS	  60000
#define BODY_BYTES_PER_MS 1u
#define BODY_DRAIN_MAX \
	(256 * MIB) /* what is read and thrown away so that a CGI host gets to read the answer */
#define REQUEST_BODY_MAX                                                                       \
	(384 * MIB) /* a body of ours to an upstream: one of max_body in base64, and what goes \
		       round */
#define JSON_DEPTH_MAX	    512u
#define MODEL_MAX	    256u /* the Messages API's own limit for `model` */
#define PATH_MAX_LEN	    2048u
#define HEADER_VALUE_MAX    (8 * KIB)
#define REQUEST_HEADERS_MAX (32 * KIB)

/* The answer. */
#define EVENT_MAX      (16 * MIB) /* one server-sent event */
#define ANSWER_MAX     (64 * MIB) /* one whole, non-streaming answer */
#define ERROR_BODY_MAX (64 * KIB)
#define HEAD_MAX       (16 * KIB) /* status line and headers towards the client */
#define HOLD_KEEP      (16 * KIB) /* what a stream's buffer keeps between calls */
#define ANSWER_RESERVE \
	(4 * KIB)	  /* what a thread always has for a head, an error and a ledger line */
#define MESSAGE_MAX 1024u /* an error message of ours */

/* A chat completion's stream while it becomes one of the Messages API. */
#define CHAT_WAITING_MAX (16 * MIB) /* text that cannot go on yet, and arguments of open calls */
#define CHAT_PARTS_MAX	 1024u	    /* blocks of one answer */
#define CHAT_PARTS_KEEP	 8u	    /* whose memory is kept between calls, */
#define CHAT_KEEP	 KIB	    /* so much of each text */

/* A frame of Bedrock's event stream: the format's own limits. */
#define EVENTSTREAM_HEADERS_MAX (128 * KIB)
#define EVENTSTREAM_PAYLOAD_MAX (16 * MIB)
#define EVENTSTREAM_FRAME_MAX	(EVENTSTREAM_HEADERS_MAX + EVENTSTREAM_PAYLOAD_MAX + 16)

/* Routing. */
#define TARGETS_MAX 16u

/* Signatures and credentials for AWS. */
#define SIGV4_CANONICAL_MAX  (64 * KIB) /* what is signed of a request */
#define SIGV4_TO_SIGN_MAX    512u	/* what is signed in its stead: its hash, time and scope */
#define SIGV4_HEADERS_MAX    32u
#define SIGV4_PARAMETERS_MAX 32u
#define SIGV4_SECRET_MAX     256u
#define AWS_CREDENTIAL_MAX   (16 * KIB) /* one of id, secret and session token */

/* Credentials that other servers give out. */
#define JWT_CLAIMS_MAX	 (4 * KIB)
#define FETCH_ANSWER_MAX (64 * KIB)

/* Logs. */
#define LOG_LINE_MAX	2048u
#define LEDGER_LINE_MAX (20 * KIB)
#define LEDGER_TEXT_MAX 256u /* of one text in it; six times as long when every byte is escaped */
#define TOKENS_MAX                                                                              \
	1000000000000u /* in one call; a count above it is none, so that sums and prices cannot \
			  overflow */

#endif
