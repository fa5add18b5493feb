/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Prints what the natively compiled parser says of each file named on standard input: a line of JSON with its records in hexadecimal. */
#include "exchange.h"

#define FILE_MAX (1 << 20)
#define PATH_BYTES 4096

int main(void)
{
	static u8 data[FILE_MAX];
	char path[PATH_BYTES];

	while (fgets(path, sizeof(path), stdin)) {
		struct exchange exchange;
		u32 protocol;
		FILE *file;

		path[strcspn(path, "\n")] = 0;
		file = fopen(path, "rb");
		if (!file) {
			perror(path);
			return 1;
		}
		exchange = exchange_of(data, fread(data, 1, FILE_MAX, file));
		fclose(file);
		protocol = play(&exchange, 1, -1);
		printf("{\"protocol\":%u,\"records\":[", protocol);
		for (size_t r = 0; r < shim_record_count; r++) {
			printf(r ? ",\"" : "\"");
			for (size_t at = 0; at < shim_records[r].length; at++)
				printf("%02x", shim_records[r].bytes[at]);
			printf("\"");
		}
		printf("]}\n");
	}
	return 0;
}
