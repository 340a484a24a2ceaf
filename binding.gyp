{
  'target_defaults': {
    'cflags': ['-Wall', '-Wextra', '-Werror', '-fno-strict-aliasing'],
    'cflags!': ['-Wno-unused-parameter'],
    'cflags_cc': [
      '-std=c++20', '-fno-exceptions', '-fno-rtti',
      '-Wno-restrict',  # GCC 12 warns of its own operator+ (GCC bug 105651)
      # Headers that are not ours are system headers: their warnings are not ours to fix.
      '-isystem', '<(node_root_dir)/include/node',
      '-isystem', '<(module_root_dir)/node_modules/node-addon-api',
    ],
    'cflags_cc!': ['-std=gnu++20', '-std=gnu++17', '-fexceptions'],
    'include_dirs': ['native', 'bpf'],
  },
  'targets': [
    {
      'target_name': 'sluice',
      'sources': [
        # All but the folders of programs of their own.
        '<!@(ls native/*.cc native/*/*.cc | grep -vE "^native/(enter|keeper|test)/")',
      ],
      'defines': [
        'NAPI_VERSION=9',
        'NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS',
        # A worker that is being terminated can not be thrown at; that is no reason to end the process.
        'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
      ],
      'libraries': ['-lbpf', '-lelf', '-lz'],
    },
    {
      # Starts processes inside the lab's pods; a program of its own, without Node.
      'target_name': 'sluice-enter',
      'type': 'executable',
      'sources': ['<!@(ls native/enter/*.cc)'],
      'ldflags!': ['-rdynamic'],
    },
    {
      # Keeps sockets over restarts of the proxy; a program of its own, so that the proxy's end is not its end.
      'target_name': 'sluice-keeper',
      'type': 'executable',
      'sources': ['<!@(ls native/keeper/*.cc)', 'native/unix/messages.cc'],
      'ldflags!': ['-rdynamic'],
    },
  ],
}
