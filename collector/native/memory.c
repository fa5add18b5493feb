// SPDX-License-Identifier: Apache-2.0
/* Memory that was freed, and that the C library keeps for itself. */
#include <malloc.h>

#include "addon.h"

napi_value give_back_memory(napi_env env, napi_callback_info info)
{
	(void)env;
	(void)info;
#ifdef __GLIBC__
	malloc_trim(0);
#endif
	return NULL;
}
