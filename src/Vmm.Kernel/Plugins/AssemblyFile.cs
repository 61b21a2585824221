using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;

namespace Vmm.Kernel.Plugins;

/// <summary>An assembly on disk, open for reading its metadata. Nothing of it runs.</summary>
internal sealed class AssemblyFile : IDisposable
{
    private readonly PEReader _image;

    private AssemblyFile(string path, PEReader image)
    {
        Path = path;
        _image = image;
        Metadata = image.GetMetadataReader();
        Name = Metadata.GetString(Metadata.GetAssemblyDefinition().Name);
    }

    public string Path { get; }

    public string FileName => System.IO.Path.GetFileName(Path);

    /// <summary>Simple name of the assembly.</summary>
    public string Name { get; }

    public MetadataReader Metadata { get; }

    /// <summary>Opens a file; null when it is not a .NET assembly (a native library, or anything else).</summary>
    public static AssemblyFile? TryOpen(string path)
    {
        // Read wholly: a plugin file that is replaced while it is looked at must not change under the reader.
        var image = new PEReader(new MemoryStream(File.ReadAllBytes(path)));
        try
        {
            if (image.HasMetadata && image.GetMetadataReader().IsAssembly)
            {
                return new AssemblyFile(path, image);
            }
        }
        catch (BadImageFormatException)
        {
        }

        image.Dispose();
        return null;
    }

    /// <summary>Simple name and version of each referenced assembly.</summary>
    public IEnumerable<(string Name, Version Version)> References =>
        from handle in Metadata.AssemblyReferences
        let reference = Metadata.GetAssemblyReference(handle)
        select (Metadata.GetString(reference.Name), reference.Version);

    /// <summary>Custom attributes of something by the full name of the attribute, their values not yet decoded: those of strangers may be undecodable.</summary>
    public IEnumerable<(string Name, CustomAttribute Attribute)> Attributes(CustomAttributeHandleCollection handles)
    {
        foreach (CustomAttributeHandle handle in handles)
        {
            CustomAttribute attribute = Metadata.GetCustomAttribute(handle);
            EntityHandle type = attribute.Constructor.Kind == HandleKind.MemberReference
                ? Metadata.GetMemberReference((MemberReferenceHandle)attribute.Constructor).Parent
                : Metadata.GetMethodDefinition((MethodDefinitionHandle)attribute.Constructor).GetDeclaringType();
            yield return (MetadataNames.Of(Metadata, type) ?? "", attribute);
        }
    }

    public void Dispose() => _image.Dispose();
}
