/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The members of machine.json as tables, which both the writer and the parser walk: what the one
 * writes, the other knows.  Only for manifest.c, manifest-parse.c and their tests.
 */
#pragma once

#include "bundle/manifest.h"

#define MANIFEST_FORMAT "wherry-bundle"

/* Bytes of a string, without its final NUL. */
#define MANIFEST_MAX_STRING 4096

/* Of any kind and at any depth; a disk has about 25, a volume 9. */
#define MANIFEST_MAX_VALUES 500000

/* The end of the file, with the digest between the two. */
#define MANIFEST_DIGEST_HEAD "  \"digest\": \""
#define MANIFEST_DIGEST_TAIL "\"\n}\n"

enum field_kind {
	FIELD_STRING,  /* char * */
	FIELD_NUMBER,  /* unsigned int, uint32_t */
	FIELD_BYTES,   /* uint64_t */
	FIELD_BOOL,    /* bool */
	FIELD_ENUM,    /* an enum: the index of its name in `names` */
	FIELD_DIGEST,  /* struct digest */
	FIELD_STRINGS, /* GPtrArray * of char * */
	FIELD_RECORDS, /* GPtrArray * of what `item` describes */
	FIELD_OBJECT,  /* json_t * */
};

struct record;

struct field {
	const char *name; /* of the member; as in manifest.h */
	enum field_kind kind;
	size_t offset;                   /* bytes, in the struct */
	bool optional;                   /* null in the file, NULL in the struct: not known */
	bool later;                      /* older bundles do not have it: NULL, an empty array */
	uint64_t min, max;               /* of a number, or of how many items */
	const char *wanted;              /* of a string or an enum: its form, for people */
	bool (*valid)(const char *text); /* of a string; NULL: any but the empty one */
	const char *const *names;        /* of an enum; ends with NULL */
	const struct record *item;
};

/* A struct, and the object of the file it becomes. */
struct record {
	size_t size;                /* bytes */
	const struct field *fields; /* ends with a NULL name */
	GDestroyNotify free;
};

extern const struct record manifest_record;

/* A zeroed struct with its arrays; ended by its record's `free`. */
void *manifest_record_new(const struct record *record);

/* Where the value of @field is in the struct at @base. */
void *manifest_field_at(const struct field *field, void *base);

/* One line of valid UTF-8 of at most MANIFEST_MAX_STRING bytes, whatever @text is; owned. */
char *manifest_clean_text(const char *text);

/* The end of a file whose other bytes have the digest @digest; owned. */
char *manifest_trailer(const struct digest *digest);
