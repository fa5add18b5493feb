// SPDX-License-Identifier: Apache-2.0
/*
 * Consumer of a BPF ring buffer, over its mapped pages. libbpf's own consumer calls back once per record and advances
 * before it calls, so a callback that runs out of room has lost the record; here the room is looked at first, a batch is
 * one call, and a record that does not fit stays in the ring.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ring.h"

#define ROUND_UP_8(n) (((n) + 7) & ~(size_t)7)
/* Room is given back to the kernel at least this often within a batch, so that a full ring takes records again. */
#define RELEASE_BYTES 65536

static void ring_release(struct handle *handle)
{
	struct ring *ring = (struct ring *)handle;

	ring_poll_close(ring);
	if (ring->consumer != NULL)
		munmap(ring->consumer, ring->page_size);
	if (ring->producer != NULL)
		munmap((void *)ring->producer, ring->page_size + ring->size);
	if (ring->descriptor >= 0)
		close(ring->descriptor);
}

static bool ring_map(struct ring *ring, int map_descriptor)
{
	void *pages;

	ring->page_size = (size_t)sysconf(_SC_PAGESIZE);
	ring->descriptor = fcntl(map_descriptor, F_DUPFD_CLOEXEC, 3);
	if (ring->descriptor < 0)
		return false;
	pages = mmap(NULL, ring->page_size, PROT_READ | PROT_WRITE, MAP_SHARED, ring->descriptor, 0);
	if (pages == MAP_FAILED)
		return false;
	ring->consumer = pages;
	/* Once, not twice in a row as the kernel offers it: each mapping counts as resident, whether it is used or not. */
	pages = mmap(NULL, ring->page_size + ring->size, PROT_READ, MAP_SHARED, ring->descriptor, (off_t)ring->page_size);
	if (pages == MAP_FAILED)
		return false;
	ring->producer = pages;
	ring->data = (const uint8_t *)pages + ring->page_size;
	return true;
}

METHOD(open_ring)
{
	size_t argc = 2;
	napi_value argv[2], result;
	struct object_handle *object;
	struct bpf_map *map;
	struct ring *ring;

	log_reset();
	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok ||
	    (object = handle_from(env, argv[0], HANDLE_OBJECT)) == NULL ||
	    (map = find_loaded_map(env, object, argv[1])) == NULL)
		return NULL;
	if (bpf_map__type(map) != BPF_MAP_TYPE_RINGBUF)
		return throw_native(env, NATIVE_RING, 0, "map %s is not a ring buffer", bpf_map__name(map));
	ring = handle_create(env, HANDLE_RING, sizeof(*ring), &object->handle, ring_release, &result);
	if (ring == NULL)
		return NULL;
	ring->descriptor = -1;
	ring->size = bpf_map__max_entries(map);
	if (!ring_map(ring, bpf_map__fd(map))) {
		int error = errno;

		handle_close(&ring->handle);
		return throw_native(env, NATIVE_RING, error, "cannot map ring %s", bpf_map__name(map));
	}
	set_property(env, result, "size", make_number(env, (double)ring->size));
	return result;
}

static void give_back(struct ring *ring, unsigned long position)
{
	__atomic_store_n(ring->consumer, position, __ATOMIC_RELEASE);
}

/* Whether the record at `position` is there and committed; its header says how long it is and whether it counts. */
static bool record_ready(const struct ring *ring, unsigned long position, uint32_t *header)
{
	if (position == __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE))
		return false;
	*header = __atomic_load_n((const uint32_t *)(ring->data + (position & (ring->size - 1))), __ATOMIC_ACQUIRE);
	return !(*header & BPF_RINGBUF_BUSY_BIT);
}

/* Copies what lies from an offset of the ring on, over its end to its beginning. */
static void copy_out(const struct ring *ring, size_t offset, uint8_t *to, size_t length)
{
	const size_t before_end = ring->size - offset;

	if (length <= before_end) {
		memcpy(to, ring->data + offset, length);
		return;
	}
	memcpy(to, ring->data + offset, before_end);
	memcpy(to + before_end, ring->data, length - before_end);
}

/* Copies whole records; *full tells that the next record did not fit. */
static size_t ring_copy(struct ring *ring, struct bytes *out, bool *full)
{
	unsigned long position = *ring->consumer, given_back = position;
	/* Ends a call that meets only discarded records, however fast they come. */
	const unsigned long limit = position + 2 * ring->size;
	size_t copied = 0;
	uint32_t header;

	*full = false;
	while (position < limit) {
		/* Header and first word are eight bytes each, and aligned so: they never lie across the end. */
		const size_t record = (position + BPF_RINGBUF_HDR_SZ) & (ring->size - 1);
		uint32_t reserved, length;

		if (!record_ready(ring, position, &header)) {
			if (given_back == position)
				break;
			/*
			 * The kernel wakes a reader that has caught up. Tell it how far we are before looking once more, or a
			 * record that comes between the two would wake nobody.
			 */
			give_back(ring, position);
			given_back = position;
			__atomic_thread_fence(__ATOMIC_SEQ_CST);
			continue;
		}
		reserved = header & ~BPF_RINGBUF_DISCARD_BIT;
		if (!(header & BPF_RINGBUF_DISCARD_BIT)) {
			length = reserved < sizeof(length) ? 0 : *(const uint32_t *)(ring->data + record);
			if (length < sizeof(length) || length > reserved) {
				ring->malformed++;
			} else if (ROUND_UP_8((size_t)length) > out->length - copied) {
				*full = true;
				break;
			} else {
				copy_out(ring, record, out->data + copied, length);
				copied += length;
				for (; copied % 8 != 0; copied++)
					out->data[copied] = 0;
			}
		}
		position += ROUND_UP_8(reserved + BPF_RINGBUF_HDR_SZ);
		if (position - given_back >= RELEASE_BYTES) {
			give_back(ring, position);
			given_back = position;
		}
	}
	give_back(ring, position);
	return copied;
}

METHOD(ring_drain)
{
	napi_value argv[1];
	struct ring *ring = method_begin(env, info, HANDLE_RING, 1, argv);
	struct bytes out;
	size_t copied;
	bool full;

	if (ring == NULL || !read_bytes(env, argv[0], "buffer", &out))
		return NULL;
	copied = ring_copy(ring, &out, &full);
	if (full && copied == 0)
		return throw_native(env, NATIVE_BUFFER, 0, "a record does not fit into a buffer of %zu bytes", out.length);
	return make_number(env, (double)copied);
}

METHOD(ring_waiting)
{
	struct ring *ring = method_begin(env, info, HANDLE_RING, 0, NULL);

	if (ring == NULL)
		return NULL;
	return make_number(env, (double)(__atomic_load_n(ring->producer, __ATOMIC_ACQUIRE) - *ring->consumer));
}

METHOD(ring_malformed)
{
	struct ring *ring = method_begin(env, info, HANDLE_RING, 0, NULL);

	return ring == NULL ? NULL : make_number(env, (double)ring->malformed);
}
