using System.Diagnostics;
using Vmm.Tests;

namespace Vmm.EndToEnd.Tests.Vendor;

/// <summary>A vendor's machine: a copy of the sample outside the repository, and a local feed. Lives as long as one test.</summary>
public sealed class VendorWorkshop : IDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("vmm-vendor-");

    public VendorWorkshop() => Copy(Repository.At("sdk", "samples", "LedPanel"), Sample);

    /// <summary>The folder that the build of the sample makes: the plugin's folder.</summary>
    public string PluginFolder => Path.Combine(Sample, "LedPanel", "bin", "Release", "net10.0");

    /// <summary>The one source file of the sample.</summary>
    public string SourceFile => Path.Combine(Sample, "LedPanel", "LedPanel.cs");

    private string Sample => Path.Combine(_root.FullName, "LedPanel");

    /// <summary>Fills the feed with the SDK of this repository, as it was built for this test run.</summary>
    public void PackSdk()
    {
        foreach (string project in (string[])["Vmm.Sdk.Abstractions", "Vmm.Sdk"])
        {
            DotNet("pack", Repository.At("sdk", project), "--no-build", "-c", Harness.Build.Configuration, "-o", Path.Combine(Sample, "feed"));
        }
    }

    /// <summary>Fills the feed with a later version of the SDK, made by a change to one file of the contract.</summary>
    public void PackLaterSdk(string version, string contractFile, string text, string replacement)
    {
        string later = Path.Combine(_root.FullName, "later");
        foreach (string project in (string[])["Vmm.Sdk.Abstractions", "Vmm.Sdk"])
        {
            Copy(Repository.At("sdk", project), Path.Combine(later, "sdk", project));
        }

        foreach (string file in (string[])["Directory.Build.props", "Directory.Packages.props", "sdk/Directory.Build.props"])
        {
            File.Copy(Repository.At(file), Path.Combine(later, file));
        }

        string path = Path.Combine(later, "sdk", "Vmm.Sdk.Abstractions", contractFile);
        string source = File.ReadAllText(path);
        Assert.Contains(text, source);
        File.WriteAllText(path, source.Replace(text, replacement));
        foreach (string project in (string[])["Vmm.Sdk.Abstractions", "Vmm.Sdk"])
        {
            DotNet("pack", Path.Combine(later, "sdk", project), "-c", "Release", "-o", Path.Combine(Sample, "feed"), $"-p:Version={version}");
        }
    }

    /// <summary>Restores and builds the vendor's solution.</summary>
    public void Build(string sdkVersion) => DotNet("build", Path.Combine(Sample, "LedPanel.sln"), "-c", "Release", $"-p:VmmSdkVersion={sdkVersion}");

    public void Dispose() => _root.Delete(recursive: true);

    private static void DotNet(params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", [.. arguments, "-nodeReuse:false"]) { RedirectStandardOutput = true, RedirectStandardError = true };
        // What the test runner's own build left in the environment must not steer this one.
        foreach (string variable in start.Environment.Keys.Where(key => key.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase)).ToList())
        {
            start.Environment.Remove(variable);
        }

        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(TimeSpan.FromMinutes(5)))
        {
            process.Kill(entireProcessTree: true);
        }

        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"dotnet {string.Join(' ', arguments)}\n{output.Result}\n{error.Result}");
    }

    private static void Copy(string from, string to)
    {
        foreach (string file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
        {
            string relative = Path.GetRelativePath(from, file);
            if (!relative.Split(Path.DirectorySeparatorChar).Intersect(["bin", "obj", "feed", "packages"]).Any())
            {
                string target = Path.Combine(to, relative);
                Directory.CreateDirectory(Path.GetDirectoryName(target)!);
                File.Copy(file, target);
            }
        }
    }
}
