/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Maps, packets and the ring of the natively compiled parser. Every value is an allocation of its own. */
#include "shim.h"

#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf_helpers.h>

#define MAPS_MAX 32
#define BUCKETS 256
#define RECORDS_MAX 4096

struct entry {
	struct entry *next;
	unsigned char *key, *value;
};

struct table {
	const void *map;
	size_t count;
	struct entry *buckets[BUCKETS];
};

struct shim_packet shim_packet;
struct shim_record *shim_records;
size_t shim_record_count, shim_iterations;
unsigned long CONFIG_HZ = 1000;

static struct table tables[MAPS_MAX];

void shim_fail(const char *why)
{
	fprintf(stderr, "FUZZ: %s\n", why);
	abort();
}

static struct table *table_of(const void *map)
{
	for (size_t i = 0; i < MAPS_MAX; i++) {
		if (!tables[i].map)
			tables[i].map = map;
		if (tables[i].map == map)
			return &tables[i];
	}
	shim_fail("more maps than the stand-in has room for");
}

static struct entry **find(struct table *table, struct shim_map map, const void *key)
{
	const unsigned char *bytes = key;
	unsigned int hash = 0;
	struct entry **at;

	for (unsigned long i = 0; i < map.key_bytes; i++)
		hash = hash * 31 + bytes[i];
	at = &table->buckets[hash % BUCKETS];
	while (*at && memcmp((*at)->key, key, map.key_bytes))
		at = &(*at)->next;
	return at;
}

static struct entry *insert(struct table *table, struct entry **at, struct shim_map map, const void *key)
{
	struct entry *entry = calloc(1, sizeof(*entry));

	entry->key = malloc(map.key_bytes);
	memcpy(entry->key, key, map.key_bytes);
	entry->value = calloc(1, map.value_bytes);
	*at = entry;
	table->count++;
	return entry;
}

static int is_array(struct shim_map map)
{
	return map.type == BPF_MAP_TYPE_ARRAY || map.type == BPF_MAP_TYPE_PERCPU_ARRAY;
}

void *shim_lookup(struct shim_map map, const void *key)
{
	struct table *table = table_of(map.map);
	struct entry **at = find(table, map, key);

	if (*at)
		return (*at)->value;
	if (!is_array(map) || *(const unsigned int *)key >= map.entries_max)
		return NULL;
	return insert(table, at, map, key)->value;
}

long shim_update(struct shim_map map, const void *key, const void *value)
{
	struct table *table = table_of(map.map);
	struct entry **at = find(table, map, key);

	if (!*at) {
		if (table->count >= map.entries_max)
			return -7; /* E2BIG */
		insert(table, at, map, key);
	}
	memcpy((*at)->value, value, map.value_bytes);
	return 0;
}

long shim_delete(struct shim_map map, const void *key)
{
	struct table *table = table_of(map.map);
	struct entry **at = find(table, map, key), *entry = *at;

	if (!entry)
		return -2; /* ENOENT */
	*at = entry->next;
	free(entry->key);
	free(entry->value);
	free(entry);
	table->count--;
	return 0;
}

size_t shim_entries(const void *map)
{
	return table_of(map)->count;
}

long shim_load_bytes(const void *skb, unsigned int offset, void *to, unsigned int bytes)
{
	(void)skb;
	if (!bytes || offset > shim_packet.length || bytes > shim_packet.length - offset)
		shim_fail("a read beyond the packet");
	memcpy(to, shim_packet.bytes + offset, bytes);
	return 0;
}

long shim_read(void *to, unsigned int bytes, const void *from)
{
	memmove(to, from, bytes);
	return 0;
}

void shim_iterated(unsigned int iterations, unsigned int limit)
{
	if (limit > SHIM_LOOPS_MAX)
		shim_fail("a loop longer than the kernel allows");
	if (limit >= 1u << 18 && iterations == limit)
		shim_fail("a packet that is not read to its end in as many steps as there are");
	shim_iterations += iterations;
}

long shim_output(const void *record, unsigned long bytes)
{
	struct shim_record *at;

	if (!shim_records)
		shim_records = calloc(RECORDS_MAX, sizeof(*shim_records));
	if (shim_record_count == RECORDS_MAX)
		shim_fail("more records than any input can give");
	at = &shim_records[shim_record_count++];
	at->bytes = malloc(bytes);
	at->length = bytes;
	memcpy(at->bytes, record, bytes);
	return 0;
}

void shim_forget_records(void)
{
	while (shim_record_count)
		free(shim_records[--shim_record_count].bytes);
}
