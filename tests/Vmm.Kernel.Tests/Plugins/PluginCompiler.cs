using System.Runtime.Loader;

namespace Vmm.Kernel.Tests.Plugins;

/// <summary>
/// Compiles small plugins from source, with the compiler of the SDK that runs the tests, so that a test shows the whole
/// plugin it is about.
/// </summary>
internal static class PluginCompiler
{
    private static readonly string RuntimeFolder = Path.GetDirectoryName(typeof(object).Assembly.Location)!;
    private static readonly Lazy<Func<string[], int>> Compiler = new(LoadCompiler);
    private static readonly Lock OneAtATime = new();

    public static string ContractPath => typeof(IDevice).Assembly.Location;

    public static string SdkPath => Path.Combine(AppContext.BaseDirectory, "Vmm.Sdk.dll");

    /// <summary>Compiles to <c>folder/name.dll</c> against the framework and the given references.</summary>
    public static string Compile(string folder, string name, string source, params string[] references)
    {
        string work = Directory.CreateDirectory(Path.Combine(folder, "..", "..", "sources", Path.GetFileName(folder))).FullName;
        string sourceFile = Path.Combine(work, name + ".cs");
        File.WriteAllText(sourceFile, "global using System; global using System.Collections.Generic; global using System.Linq; global using System.IO; global using System.Threading; global using System.Threading.Tasks;\n" + source);
        string output = Path.Combine(folder, name + ".dll");
        string[] arguments =
        [
            "-nologo", "-nostdlib", "-noconfig", "-target:library", "-nullable:enable", "-deterministic", "-langversion:latest", "-warn:0", $"-out:{output}",
            .. Directory.EnumerateFiles(RuntimeFolder, "*.dll").Where(IsReferable).Concat(references).Select(path => $"-reference:{path}"),
            sourceFile,
        ];

        lock (OneAtATime)
        {
            TextWriter console = Console.Out;
            using var messages = new StringWriter();
            Console.SetOut(messages);
            try
            {
                return Compiler.Value(arguments) == 0 ? output : throw new InvalidOperationException(messages.ToString());
            }
            finally
            {
                Console.SetOut(console);
            }
        }
    }

    private static bool IsReferable(string path) =>
        Path.GetFileName(path) is var file && (file.StartsWith("System.", StringComparison.Ordinal) || file is "mscorlib.dll" or "netstandard.dll")
        && !file.Contains(".Native", StringComparison.Ordinal);

    private static Func<string[], int> LoadCompiler()
    {
        string sdk = Path.GetFullPath(Path.Combine(RuntimeFolder, "../../../sdk"));
        string folder = Directory.EnumerateDirectories(sdk, $"{Environment.Version.Major}.*").Order(StringComparer.Ordinal)
            .Select(version => Path.Combine(version, "Roslyn", "bincore")).Last(Directory.Exists);
        var context = new AssemblyLoadContext("compiler");
        context.Resolving += (self, name) =>
            Path.Combine(folder, name.Name + ".dll") is var path && File.Exists(path) ? self.LoadFromAssemblyPath(path) : null;
        var main = context.LoadFromAssemblyPath(Path.Combine(folder, "csc.dll")).EntryPoint!;
        return arguments => (int)main.Invoke(null, [arguments])!;
    }
}
