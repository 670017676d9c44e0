#pragma weak x64_code_create
#pragma weak x64_code_destroy
#pragma weak x64_code_reset
#pragma weak x64_code_prepare
#pragma weak x64_compile
#pragma weak x64_link
#pragma weak x64_run
#pragma weak x64_host_supported
